#ifndef NESTLING_GUEST_BOOT_LOADER_H
#define NESTLING_GUEST_BOOT_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/boot/boot.h"

/* The guest's loader: 32-bit code between boot sector and kernel. */

/* start.S calls this with the number of the kernel's first sector. */
_Noreturn void loader_main(uint32_t kernel_lba);
/* Switches to long mode and jumps to the kernel's entry point, a gva (start.S). */
_Noreturn void enter_kernel(uint64_t entry, uint32_t cr3, const struct boot_info *info);

/* Print on COM1 by polling (serial.c).  On a dead UART they give up after a while. */
void put_text(const char *s);
void put_number(uint32_t v);
/* Prints "guest loader: MESSAGE" and powers off with status 1. */
_Noreturn void fail(const char *message);
_Noreturn void fail_kernel(const char *fault); /* "kernel FAULT" */
/* Does the same with the text "MESSAGE: needs N UNIT M"; `unit` is, say, " KiB, machine has ". */
_Noreturn void fail_size(const char *message, uint32_t needs, const char *unit, uint32_t has);
_Noreturn void power_off(uint8_t status);

/* The boot disk (ide.c): LBA28, programmed I/O.  Errors end in fail(). */

/* Returns how many sectors the disk has. */
uint32_t disk_sectors(void);
/* Reads sectors to a physical address; the caller has checked both ranges. */
void disk_read(uint32_t lba, uint32_t count, void *to);

/*
 * Checks and loads the kernel's ELF file (elf.c).  `ram` is in bytes.  Returns the entry point, a
 * gva.
 */
uint64_t load_kernel(uint32_t kernel_lba, uint64_t ram);

#endif
