#ifndef NESTLING_GUEST_BOOT_LOADER_H
#define NESTLING_GUEST_BOOT_LOADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/boot/boot.h"

/* The guest's loader: 32-bit code between boot sector and kernel. */

/* From start.S. */
_Noreturn void loader_main(uint32_t kernel_lba);
_Noreturn void enter_kernel(uint64_t entry, uint32_t cr3, const struct boot_info *info);

/* COM1, polled (serial.c).  put_* may be given a dead UART: they give up after a while. */
void put_text(const char *s);
void put_number(uint32_t v);
/* Prints "guest loader: MESSAGE" (closes an unfinished line) and powers off with status 1. */
_Noreturn void fail(const char *message);
_Noreturn void fail_kernel(const char *fault); /* "kernel FAULT" */
/* The same when something is too small: "MESSAGE: needs N UNIT, HOLDER M". */
_Noreturn void fail_size(const char *message, uint32_t needs, const char *unit, uint32_t has);
_Noreturn void power_off(uint8_t status);

/* The boot disk (ide.c): LBA28, programmed I/O.  Errors end in fail(). */
uint32_t disk_sectors(void);
/* Reads sectors to a physical address; the caller has checked both ranges. */
void disk_read(uint32_t lba, uint32_t count, void *to);

/* The kernel's ELF file (elf.c): checks it, loads it, returns its entry point. */
uint64_t load_kernel(uint32_t kernel_lba, uint64_t ram);

#endif
