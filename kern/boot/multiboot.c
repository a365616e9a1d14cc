#include "kern/boot/multiboot.h"

#include "inc/multiboot2.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/dev/acpi.h"
#include "kern/mem/page.h"
#include "lib/assert.h"
#include "lib/string.h"

struct boot_info boot_info;

/* Copies text of at most room bytes, whose closing 0 a loader may have forgotten. */
static void
copy_text(char *dst, size_t size, const char *text, size_t room)
{
	size_t n = strnlen(text, room);

	if (n >= size) {
		kprintf("nestling: kernel command line cut at %zu of %zu bytes\n", size - 1, n);
		n = size - 1;
	}
	memcpy(dst, text, n);
	dst[n] = 0;
}

static void
add_range(const struct mb2_mmap_entry *e)
{
	unsigned int i = boot_info.mmap_count;

	if (i == BOOT_MMAP_MAX) {
		kprintf("nestling: memory map has more than %d ranges; %#lx bytes at %#lx "
		        "ignored\n",
		        BOOT_MMAP_MAX, (unsigned long)e->size, (unsigned long)e->base);
		return;
	}
	boot_info.mmap[i].base = e->base;
	boot_info.mmap[i].size = e->size;
	boot_info.mmap[i].usable = e->type == MB2_MEM_RAM;
	boot_info.mmap_count++;
}

static void
read_mmap(const struct mb2_tag_mmap *t)
{
	const uint8_t *p = (const uint8_t *)t->entries;
	const uint8_t *end = (const uint8_t *)t + t->tag.size;

	if (t->entry_size < sizeof(struct mb2_mmap_entry))
		panic("multiboot: memory map entries have %u bytes, expected %zu or more",
		      t->entry_size, sizeof(struct mb2_mmap_entry));
	for (; p + t->entry_size <= end; p += t->entry_size)
		add_range((const struct mb2_mmap_entry *)p);
}

/* The first module is the initrd. */
static void
read_module(const struct mb2_tag_module *t)
{
	if (boot_info.initrd_size)
		return;
	if (t->end < t->start)
		panic("multiboot: module ends at %#x, before its start %#x", t->end, t->start);
	boot_info.initrd_pa = t->start;
	boot_info.initrd_size = t->end - t->start;
}

/* The newer of two: it leads to the same tables, and further. */
static void
read_rsdp(const struct mb2_tag *t)
{
	uint64_t size = t->size - sizeof(*t);

	if (size <= boot_info.rsdp_size)
		return;
	boot_info.rsdp_size = size < sizeof(boot_info.rsdp) ? size : sizeof(boot_info.rsdp);
	memcpy(boot_info.rsdp, t + 1, boot_info.rsdp_size);
}

static void
read_tag(const struct mb2_tag *tag)
{
	const struct mb2_tag_string *s = (const struct mb2_tag_string *)tag;

	switch (tag->type) {
	case MB2_TAG_CMDLINE:
		copy_text(boot_info.cmdline, sizeof(boot_info.cmdline), s->string,
		          tag->size - sizeof(*s));
		break;
	case MB2_TAG_MODULE:
		if (tag->size >= sizeof(struct mb2_tag_module))
			read_module((const struct mb2_tag_module *)tag);
		break;
	case MB2_TAG_MMAP:
		if (tag->size >= sizeof(struct mb2_tag_mmap))
			read_mmap((const struct mb2_tag_mmap *)tag);
		break;
	case MB2_TAG_ACPI_OLD:
	case MB2_TAG_ACPI_NEW:
		read_rsdp(tag);
		break;
	}
}

void
multiboot_init(uint64_t info_pa)
{
	const struct mb2_info *info = kva(info_pa);
	uint64_t off = sizeof(*info);

	while (off + sizeof(struct mb2_tag) <= info->total_size) {
		const struct mb2_tag *tag = (const struct mb2_tag *)((const char *)info + off);

		if (tag->type == MB2_TAG_END)
			break;
		if (tag->size < sizeof(*tag) || tag->size > info->total_size - off)
			panic("multiboot: tag %u at offset %lu has size %u", tag->type,
			      (unsigned long)off, tag->size);
		read_tag(tag);
		off += ROUND_UP(tag->size, (uint32_t)MB2_TAG_ALIGN);
	}
	if (!boot_info.mmap_count)
		panic("multiboot: the boot loader gave no memory map");
}
