#ifndef NESTLING_KERN_ELF_H
#define NESTLING_KERN_ELF_H

#include <stdint.h>

#include "lib/elf.h"

/*
 * Checks an executable: head holds its first bytes, in which all program headers must lie.  Pure.
 * Segments lie in [low, high), in the file, are congruent to it modulo the page size, do not
 * share pages, rise in the plan and are not both writable and executable.  -E_BAD_ELF.
 */
int elf_check(const void *head, uint64_t head_size, uint64_t file_size, uint64_t low, uint64_t high,
              struct elf_plan *plan);

struct aspace;
struct file;
/* Maps a program's segments.  -E_BAD_ELF, -E_NO_MEM: the caller then drops the address space. */
int elf_load(struct aspace *as, const struct file *f, uint64_t *entry);

#endif
