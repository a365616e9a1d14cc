#include "guest/boot/loader.h"
#include "lib/guestkernel.h"
#include "lib/string.h"

/*
 * Loads the kernel.  The file comes from a disk that anybody may have made: nothing in it is
 * trusted before it is checked.
 */

/* Sectors of the file that hold the ELF header and all program headers; no kernel is smaller. */
enum { HEAD_SECTORS = 8 };

static uint8_t head[HEAD_SECTORS * SECTOR_SIZE] __attribute__((aligned(8)));

/*
 * Checks what this loader needs beyond guest_kernel_fault(), since it reads whole sectors straight
 * to their place in memory.  Returns what is wrong, or NULL.
 */
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

/*
 * Reads whole sectors: the last one may bring bytes from behind the segment, so the bss is zeroed
 * afterwards.
 */
static void
load_segment(const struct elf_segment *s, uint32_t kernel_lba)
{
	uint8_t *to = (uint8_t *)(uintptr_t)s->paddr;

	disk_read(kernel_lba + (uint32_t)s->offset / SECTOR_SIZE,
	          ((uint32_t)s->filesz + SECTOR_SIZE - 1) / SECTOR_SIZE, to);
	memset(to + s->filesz, 0, s->memsz - s->filesz);
}

/* Fails unless the disk holds the first `bytes` bytes of the kernel's file. */
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
