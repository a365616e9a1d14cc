#ifndef NESTLING_KERN_ASPACE_H
#define NESTLING_KERN_ASPACE_H

#include "kern/pmap.h"

/* Between kern/aspace.c and kern/fault.c. */

/*
 * Makes a 2 MiB entry, a frame or a marker, a table of 4 KiB ones.  -E_NO_MEM, but not for those
 * that hold a promise for the table: markers and copy-on-write frames.
 */
int aspace_split(struct aspace *as, pte_t *entry);
/* Holds the other CPUs, tells the watchers.  Comes before the change, and tlb_flush() after it. */
void aspace_narrow(struct aspace *as, uint64_t va, uint64_t size);

#endif
