#ifndef NESTLING_LIB_ELF_H
#define NESTLING_LIB_ELF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/elf.h"

/*
 * Executables for x86-64 that anybody may have made: what is wrong with them.  Pure and
 * freestanding, also as 32-bit code.  What a segment may be is the loaders' business.
 */

enum { ELF_LOADS_MAX = 8 };

/* What to load. */
struct elf_plan {
	uint64_t entry;
	unsigned int count;
	struct elf_segment load[ELF_LOADS_MAX];
};

/*
 * head: the file's first bytes, aligned to 8, in which all program headers must lie, at any offset.
 * NULL, or what is wrong: "is not ...".
 */
const char *elf_header_fault(const void *head, size_t head_size);
/* Program header i of a header that is in order; false if it is none to load, or empty. */
bool elf_segment(const void *head, unsigned int i, struct elf_segment *s);
unsigned int elf_segments(const void *head); /* program headers */
uint64_t elf_entry(const void *head);
bool elf_is_code(const struct elf_segment *s, uint64_t va);

#endif
