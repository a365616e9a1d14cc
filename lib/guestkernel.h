#ifndef NESTLING_LIB_GUESTKERNEL_H
#define NESTLING_LIB_GUESTKERNEL_H

#include "inc/guestboot.h"
#include "lib/elf.h"

/* What the guest's loader and `vm --kernel` do alike with a guest's kernel: inc/guestboot.h.  Pure,
 * also as 32-bit code. */

struct guest_kernel {
	struct elf_plan plan;
	uint64_t file_end; /* bytes of the file that are needed */
	uint64_t phys_end; /* RAM that is needed, from 0 on */
};

/*
 * head: the file's first bytes, with all program headers.  Fills *k; NULL, or what is wrong with
 * the kernel: "is not ...".  It is the caller's to see whether file and RAM reach as far.
 */
const char *guest_kernel_fault(const void *head, size_t head_size, struct guest_kernel *k);
/* The page tables that the kernel is entered on, BOOT_TABLE_PAGES at physical address `at`. */
void guest_boot_tables(uint64_t *tables, uint64_t at, uint64_t ram);

#endif
