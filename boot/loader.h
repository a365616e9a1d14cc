#ifndef NESTLING_BOOT_LOADER_H
#define NESTLING_BOOT_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "boot/image.h"
#include "inc/multiboot2.h"

/*
 * The loader: 32-bit C below 1 MiB, with BIOS calls.  It trusts nothing that
 * it reads from the disk.  Addresses are physical.
 */
#define MEMORY_LOW_END 0x100000 /* nothing is loaded below */

/* ---- loader.S */

/* Registers of a BIOS call, in and out.  bios_call() relies on the offsets. */
struct bios_regs {
	uint32_t eax, ebx, ecx, edx, esi, edi;
	uint16_t es;
	uint16_t flags; /* out only */
};
#define BIOS_CF 0x0001

/* Calls the BIOS by interrupt `vector` in real mode; ds is 0. */
void bios_call(uint32_t vector, struct bios_regs *regs);
/* Enters the kernel at a physical address, as a Multiboot2 loader does. */
_Noreturn void kernel_start(uint32_t entry, const struct mb2_info *info);
/* Returns false on a processor without the CPUID instruction. */
bool cpuid_present(void);

/* ---- console.c */

/*
 * Prints BOOT_ERROR_PREFIX and one line on screen and serial port, and stops.
 * Formats: %s, %u, %x (32 bits, with 0x), %X (64 bits, with 0x), %%.
 */
_Noreturn void fail(const char *fmt, ...);

/* ---- disk.c: the boot drive, by INT 13h extended reads */
void disk_init(uint8_t drive);
/* Fails unless the extent lies on the disk; `what` names it in the message. */
void disk_check(const char *what, const struct image_extent *e);
/* Reads bytes [offset, offset + size) of an extent.  The caller has checked that they are in it. */
void disk_read(const struct image_extent *e, uint32_t offset, void *dst, uint32_t size);

/* ---- memory.c */
void a20_enable(void);
/* Asks the BIOS for the memory map (INT 15h, E820). */
void memory_init(void);
/*
 * Returns true if the memory map calls all of [start, start + size) RAM, and none is below
 * MEMORY_LOW_END.
 */
bool memory_is_ram(uint64_t start, uint64_t size);
/* Returns the lowest page-aligned address >= above with `size` bytes of RAM below 4 GiB, or 0. */
uint32_t memory_place(uint64_t above, uint32_t size);
enum { MEMORY_MAP_MAX = 64 };
extern struct mb2_mmap_entry memory_map[MEMORY_MAP_MAX];
extern uint32_t memory_map_count;

/* ---- kernel.c: the kernel's ELF file and its Multiboot2 header */
struct kernel {
	uint32_t entry; /* physical address, of 32 bits */
	uint64_t end;   /* physical address behind its last segment */
};
/* Checks the file and loads its segments. */
void kernel_load(const struct image_extent *file, struct kernel *k);

/* ---- info.c */
/* Builds the Multiboot2 information. */
const struct mb2_info *info_build(const char *cmdline, uint32_t initrd, uint32_t initrd_size);

#endif
