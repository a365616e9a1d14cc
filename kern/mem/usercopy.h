#ifndef NESTLING_KERN_MEM_USERCOPY_H
#define NESTLING_KERN_MEM_USERCOPY_H

#include "kern/mem/aspace.h"

/*
 * Copies between the kernel and user memory.  They go through the direct map, so that SMAP stays
 * shut.  All return 0 or -E_FAULT.
 */
int copy_in(struct aspace *as, void *dst, uint64_t src_va, uint64_t size);
int copy_out(struct aspace *as, uint64_t dst_va, const void *src, uint64_t size);
/* Copies a string with its closing 0; -E_INVAL when it is longer than size. */
int copy_in_string(struct aspace *as, char *dst, uint64_t src_va, uint64_t size);

/* Faults in all of [va, va + size): a later copy of this kind of access cannot fail. */
int user_touch(struct aspace *as, uint64_t va, uint64_t size, int access);

#endif
