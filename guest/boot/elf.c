#include "guest/boot/loader.h"
#include "lib/guestkernel.h"
#include "lib/string.h"

/*
 * Loads the kernel.  The file comes from a disk that anybody may have made:
 * nothing of it is believed before it is checked.
 */

/* ELF header and program headers lie in these; no kernel is smaller. */
enum { HEAD_SECTORS = 8 };

static uint8_t head[HEAD_SECTORS * SECTOR_SIZE] __attribute__((aligned(8)));

/* What this loader asks for besides: it reads whole sectors to where they belong. */
static const char *
sectors_fault(const struct guest_kernel *k)
{
	for (unsigned int i = 0; i < k->plan.count; i++) {
		const struct elf_segment *s = &k->plan.load[i];

		if (s->offset % SECTOR_SIZE != 0 || s->paddr % SECTOR_SIZE != 0)
			return "has a segment that does not begin at a sector";
	}
	return k->phys_end > KERNEL_PHYS_END ? "has a segment outside its memory" : NULL;
}

/* The bytes behind the last whole sector come along; the zeroes of the bss overwrite them. */
static void
load_segment(const struct elf_segment *s, uint32_t kernel_lba)
{
	uint8_t *to = (uint8_t *)(uintptr_t)s->paddr;

	disk_read(kernel_lba + (uint32_t)s->offset / SECTOR_SIZE,
	          ((uint32_t)s->filesz + SECTOR_SIZE - 1) / SECTOR_SIZE, to);
	memset(to + s->filesz, 0, s->memsz - s->filesz);
}

/* Does the disk hold the first `bytes` bytes of the kernel's file? */
static void
check_disk(uint32_t kernel_lba, uint32_t bytes)
{
	uint32_t needs = kernel_lba * SECTOR_SIZE + bytes, sectors = disk_sectors();

	if (sectors < (needs + SECTOR_SIZE - 1) / SECTOR_SIZE)
		fail_size("kernel truncated", needs, " bytes, disk holds ", sectors * SECTOR_SIZE);
}

uint64_t
load_kernel(uint32_t kernel_lba, uint64_t ram)
{
	static struct guest_kernel k;
	const char *fault;

	check_disk(kernel_lba, sizeof(head));
	disk_read(kernel_lba, HEAD_SECTORS, head);
	fault = guest_kernel_fault(head, sizeof(head), &k);
	if (!fault)
		fault = sectors_fault(&k);
	if (fault)
		fail_kernel(fault);
	if (k.phys_end > ram)
		fail_size("too little RAM for the kernel", (k.phys_end + 1023) / 1024,
		          " KiB, machine has ", ram / 1024);
	check_disk(kernel_lba, k.file_end);
	for (unsigned int i = 0; i < k.plan.count; i++)
		load_segment(&k.plan.load[i], kernel_lba);
	return k.plan.entry;
}
