#ifndef NESTLING_KERN_BOOT_BOOT_H
#define NESTLING_KERN_BOOT_BOOT_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/syscall.h"
#include "kern/dev/acpi.h"

/* Information from the boot loader's Multiboot2 tags (kern/boot/multiboot.c). */
enum { BOOT_MMAP_MAX = 64 };
struct boot_info {
	char cmdline[CMDLINE_MAX];
	struct {
		uint64_t base, size; /* hpa; bytes */
		bool usable;
	} mmap[BOOT_MMAP_MAX];
	unsigned int mmap_count;
	uint64_t initrd_pa, initrd_size; /* hpa; bytes */
	uint8_t rsdp[ACPI_RSDP_SIZE];    /* a copy of ACPI's RSDP, if the loader gave one */
	uint64_t rsdp_size;              /* bytes; 0: the loader gave none */
};
extern struct boot_info boot_info;

#endif
