#ifndef NESTLING_LIB_GUESTKERNEL_H
#define NESTLING_LIB_GUESTKERNEL_H

#include "inc/guestboot.h"
#include "lib/elf.h"

/*
 * The code that the guest's loader and `vm --kernel` share for a guest's kernel (inc/guestboot.h).
 * Pure, also as 32-bit code.
 */

struct guest_kernel {
	struct elf_plan plan;
	uint64_t file_end; /* bytes of the file that are needed */
	uint64_t phys_end; /* bytes of RAM that are needed, from gpa 0 on */
};

/*
 * Checks a kernel and fills in *k.  `head` is the file's first bytes, with all program headers.
 * Returns NULL, or what is wrong: "is not ...".  The caller checks that the file reaches to
 * file_end and the RAM to phys_end.
 */
const char *guest_kernel_fault(const void *head, size_t head_size, struct guest_kernel *k);
/*
 * Builds the page tables on which the kernel is entered: BOOT_TABLE_PAGES pages at gpa `at`, for
 * `ram` bytes of RAM.
 */
void guest_boot_tables(uint64_t *tables, uint64_t at, uint64_t ram);

#endif
