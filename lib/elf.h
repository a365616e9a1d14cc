#ifndef NESTLING_LIB_ELF_H
#define NESTLING_LIB_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/elf.h"

/*
 * Checks executables for x86-64, which anybody may have made.  Pure and freestanding, also as
 * 32-bit code.  Where a segment may lie is checked by the loaders.
 */

enum { ELF_LOADS_MAX = 8 };

/* The parts of an ELF file that a loader has to load, and where the program begins. */
struct elf_plan {
	uint64_t entry;
	unsigned int count;
	struct elf_segment load[ELF_LOADS_MAX];
};

/*
 * Checks the header of a file.  `head` is the file's first bytes, aligned to 8; all program headers
 * must lie in it, at any offset.  Returns NULL, or what is wrong: "is not ...".
 */
const char *elf_header_fault(const void *head, size_t head_size);
/* Copies program header i to *s, after the check.  Returns false if it has nothing to load. */
bool elf_segment(const void *head, unsigned int i, struct elf_segment *s);
unsigned int elf_segments(const void *head); /* number of program headers */
uint64_t elf_entry(const void *head);
/* Returns true if va lies in a segment that is executable. */
bool elf_is_code(const struct elf_segment *s, uint64_t va);

#endif
