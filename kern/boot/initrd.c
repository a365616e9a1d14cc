#include "kern/boot/initrd.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/boot/cpio.h"
#include "kern/console.h"
#include "kern/dev/poweroff.h"
#include "kern/mem/page.h"
#include "kern/mem/pmap.h"
#include "lib/string.h"

/*
 * The initrd: a cpio archive, unpacked at boot to whole pages, so that files
 * can be mapped.  There is no other file system, and nothing writes to it.
 */

enum { FILES_MAX = 128 };

static struct file files[FILES_MAX];
static unsigned int file_count;

/* The kernel cannot run without its programs: one line, and the end. */
#define FAIL(...)                                          \
	do {                                               \
		kprintf("nestling: initrd: " __VA_ARGS__); \
		poweroff(1);                               \
	} while (0)

/* Room in one contiguous table for the next page pointer of a file. */
static struct page **
next_slot(void)
{
	static struct page **next = (struct page **)KTABLE_BASE;

	if (!((uint64_t)next & (PAGE_SIZE - 1)))
		pmap_map_kernel((uint64_t)next, PTE_W | PTE_NX);
	return next++;
}

static void
unpack(struct file *f, const struct cpio_entry *e)
{
	const char *data = e->data;

	f->size = e->size;
	for (uint64_t off = 0; off < f->size; off += PAGE_SIZE) {
		uint64_t n = f->size - off < PAGE_SIZE ? f->size - off : PAGE_SIZE;
		struct page *p = page_alloc(0);
		struct page **slot = next_slot();

		if (!p)
			FAIL("out of memory unpacking %s (%lu KiB): give the machine more memory\n",
			     f->name, (unsigned long)f->size / 1024);
		memcpy(kva(page_pa(p)), data + off, n);
		memset((char *)kva(page_pa(p)) + n, 0, PAGE_SIZE - n);
		*slot = p;
		if (!off)
			f->pages = slot;
	}
}

/* `find . | cpio -o` puts ./ before every name. */
static const char *
plain_name(const char *name)
{
	return strncmp(name, "./", 2) == 0 ? name + 2 : name;
}

static void
add_file(const struct cpio_entry *e)
{
	const char *name = plain_name(e->name);
	struct file *f = &files[file_count];

	if ((e->mode & CPIO_MODE_TYPE) != CPIO_MODE_FILE)
		return;
	if (file_count == FILES_MAX)
		FAIL("more than %d files\n", FILES_MAX);
	if (initrd_find(name))
		FAIL("two files are named %s\n", name);
	if (strlcpy(f->name, name, sizeof f->name) >= sizeof f->name)
		FAIL("the name %s has more than %zu bytes\n", name, sizeof f->name - 1);
	unpack(f, e);
	file_count++;
}

/* The archive's own memory; what shares its first and last page was never given to anybody. */
static void
free_archive(void)
{
	uint64_t pa = ROUND_DOWN(boot_info.initrd_pa, PAGE_SIZE);

	for (; pa < boot_info.initrd_pa + boot_info.initrd_size; pa += PAGE_SIZE)
		if (pa_page(pa))
			page_unref(pa_page(pa));
	boot_info.initrd_size = 0;
}

void
initrd_init(void)
{
	const void *archive = kva(boot_info.initrd_pa);
	struct cpio_entry e;
	uint64_t offset = 0;
	int n;

	if (!boot_info.initrd_size)
		FAIL("the boot loader gave none; its second file must be the cpio archive\n");
	if (!pa_page(boot_info.initrd_pa) ||
	    !pa_page(boot_info.initrd_pa + boot_info.initrd_size - 1))
		FAIL("at %#lx, which is not RAM\n", (unsigned long)boot_info.initrd_pa);
	while ((n = cpio_next(archive, boot_info.initrd_size, &offset, &e)) > 0)
		add_file(&e);
	if (n < 0)
		FAIL("not a cpio archive (newc) at offset %lu of %lu\n", (unsigned long)offset,
		     (unsigned long)boot_info.initrd_size);
	free_archive();
}

const struct file *
initrd_find(const char *name)
{
	for (unsigned int i = 0; i < file_count; i++)
		if (strcmp(files[i].name, name) == 0)
			return &files[i];
	return NULL;
}

const struct file *
initrd_at(unsigned int index)
{
	return index < file_count ? &files[index] : NULL;
}

size_t
file_read(const struct file *f, uint64_t off, void *buf, size_t size)
{
	size_t done = 0;

	if (off >= f->size)
		return 0;
	if (size > f->size - off)
		size = f->size - off;
	while (done < size) {
		uint64_t at = (off + done) & (PAGE_SIZE - 1);
		size_t n = size - done < PAGE_SIZE - at ? size - done : PAGE_SIZE - at;
		const char *page = kva(page_pa(f->pages[(off + done) / PAGE_SIZE]));

		memcpy((char *)buf + done, page + at, n);
		done += n;
	}
	return done;
}
