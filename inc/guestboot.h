#ifndef NESTLING_INC_GUESTBOOT_H
#define NESTLING_INC_GUESTBOOT_H

/*
 * The layout of a guest's disk, and the state in which a guest's kernel is entered, by the guest's
 * own loader or by `vm --kernel`.  For C, assembly and guest/mkguest.py.
 *
 * The disk:
 *
 *   sector 0       boot sector; the word at LOADER_SECTORS_AT counts the loader's sectors
 *   then           loader
 *   then           kernel, an ELF file
 *
 * The kernel's segments lie from KERNEL_PHYS on.  They are linked at their physical addresses or at
 * KERNEL_BASE plus these.  The kernel is entered in 64-bit mode with interrupts off.  The page
 * tables are at BOOT_TABLES; they map all RAM below 4 GiB at its physical address, and the first
 * GiB at KERNEL_BASE, too.  RDI is the physical address of a struct boot_info.  RSP is BOOT_SECTOR,
 * with free memory below.  CS is SEL_CODE64 and the other segments are SEL_DATA, but the GDT that
 * they came from may be gone, and there is no IDT.  COM1 is set up: 115200 8N1, FIFOs on.
 */
#define SECTOR_SIZE        512
#define LOADER_SECTORS_AT  508
#define LOADER_SECTORS_MAX 64

#define BOOT_SECTOR        0x7c00
#define BOOT_TABLES        0x20000
#define BOOT_TABLE_PAGES   7
#define KERNEL_BASE        0xffffffffc0000000
#define KERNEL_PHYS        0x100000

#define SEL_CODE32         0x08
#define SEL_DATA           0x10
#define SEL_CODE64         0x18

#ifndef __ASSEMBLER__
#include <stdint.h>

struct boot_info {
	uint64_t ram;    /* bytes, from address 0 on, below 4 GiB */
	uint64_t cpuids; /* CPUID instructions executed so far, for a kernel that counts them */
};
#endif

#endif
