#include "guest/boot/loader.h"
#include "inc/x86.h"

/*
 * Loads the kernel.  The file comes from a disk that anybody may have made:
 * nothing of it is believed before it is checked.
 */

enum {
	ELF_MAGIC = 0x464c457f, /* 7f 'E' 'L' 'F' */
	ELF_CLASS64 = 2,
	ELF_LITTLE_ENDIAN = 1,
	ELF_EXEC = 2,
	ELF_X86_64 = 62,
	PT_LOAD = 1,
	PF_X = 1,
	HEAD_SECTORS = 8, /* ELF header and program headers lie in these; no kernel is smaller */
	KERNEL_BYTES_MAX = KERNEL_PHYS_END - KERNEL_PHYS,
};

struct elf_header {
	uint32_t magic;
	uint8_t class, data, version, abi, pad[8];
	uint16_t type, machine;
	uint32_t version2;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

struct program_header {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF-64 file header");
_Static_assert(sizeof(struct program_header) == 56, "ELF-64 program header");

static uint8_t head[HEAD_SECTORS * SECTOR_SIZE] __attribute__((aligned(8)));

static void
check_header(const struct elf_header *eh)
{
	if (eh->magic != ELF_MAGIC)
		fail("kernel is not an ELF file");
	if (eh->class != ELF_CLASS64 || eh->data != ELF_LITTLE_ENDIAN || eh->machine != ELF_X86_64)
		fail("kernel is not for x86-64");
	if (eh->type != ELF_EXEC || eh->version != 1)
		fail("kernel is not an executable ELF file");
	if (eh->phentsize != sizeof(struct program_header) || eh->phnum == 0 ||
	    eh->phoff < sizeof(*eh) || (eh->phoff & 7) || eh->phoff > sizeof(head) ||
	    eh->phnum > (sizeof(head) - eh->phoff) / sizeof(struct program_header))
		fail("kernel has bad program headers");
}

static void
check_segment(const struct program_header *ph, uint64_t ram)
{
	if (ph->offset % SECTOR_SIZE != 0 || ph->paddr % SECTOR_SIZE != 0)
		fail("kernel has a segment that does not begin at a sector");
	if (ph->offset > KERNEL_BYTES_MAX || ph->filesz > KERNEL_BYTES_MAX ||
	    ph->filesz > ph->memsz || ph->memsz > KERNEL_BYTES_MAX)
		fail("kernel has a segment of impossible size");
	if (ph->paddr < KERNEL_PHYS || ph->paddr > KERNEL_PHYS_END - ph->memsz ||
	    ph->vaddr != KERNEL_BASE + ph->paddr)
		fail("kernel has a segment outside its memory");
	if (ph->paddr + ph->memsz > ram)
		fail_size("too little RAM for the kernel", (ph->paddr + ph->memsz + 1023) / 1024,
		          " KiB, machine has ", ram / 1024);
}

static bool
entry_in(const struct program_header *ph, uint64_t entry)
{
	return (ph->flags & PF_X) && entry >= ph->vaddr && entry - ph->vaddr < ph->filesz;
}

/* Checks every segment before the first is read; returns the bytes of file that they need. */
static uint32_t
check_segments(const struct elf_header *eh, const struct program_header *ph, uint64_t ram)
{
	uint32_t needs = eh->phoff + eh->phnum * sizeof(*ph);
	bool entry_found = false;

	for (int i = 0; i < eh->phnum; i++) {
		if (ph[i].type != PT_LOAD)
			continue;
		check_segment(&ph[i], ram);
		if (ph[i].offset + ph[i].filesz > needs)
			needs = ph[i].offset + ph[i].filesz;
		entry_found |= entry_in(&ph[i], eh->entry);
	}
	if (!entry_found)
		fail("kernel's entry point lies in none of its segments");
	return needs;
}

/* The bytes behind the last whole sector come along; the zeroes of the bss overwrite them. */
static void
load_segment(const struct program_header *ph, uint32_t kernel_lba)
{
	uint8_t *to = (uint8_t *)(uintptr_t)ph->paddr;

	disk_read(kernel_lba + (uint32_t)ph->offset / SECTOR_SIZE,
	          ((uint32_t)ph->filesz + SECTOR_SIZE - 1) / SECTOR_SIZE, to);
	memset(to + ph->filesz, 0, ph->memsz - ph->filesz);
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
	const struct elf_header *eh = (const struct elf_header *)head;
	const struct program_header *ph;

	check_disk(kernel_lba, sizeof(head));
	disk_read(kernel_lba, HEAD_SECTORS, head);
	check_header(eh);
	ph = (const struct program_header *)(head + eh->phoff);
	check_disk(kernel_lba, check_segments(eh, ph, ram));
	for (int i = 0; i < eh->phnum; i++) {
		if (ph[i].type == PT_LOAD)
			load_segment(&ph[i], kernel_lba);
	}
	return eh->entry;
}
