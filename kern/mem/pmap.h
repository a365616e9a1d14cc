#ifndef NESTLING_KERN_MEM_PMAP_H
#define NESTLING_KERN_MEM_PMAP_H

#include "kern/mem/pt.h"

/* The kernel's own mappings. */

/*
 * Boot: builds the page allocator from the memory map and the kernel's own tables.  See
 * kern/boot/init.c.  The direct map holds the first 1 MiB too, whatever the memory map says: the
 * VGA text buffer is there.
 */
void pmap_init(void);

/*
 * Maps one zeroed page of its own at a kernel address (the CPU spans).  Every address space
 * sees it: the root's kernel half is complete after pmap_init.  Panics without memory.
 */
void pmap_map_kernel(uint64_t va, uint64_t perm);

/* Maps device registers uncached for the kernel; returns their address.  Panics without memory. */
volatile void *mmio_map(uint64_t pa, uint64_t size);
/* Maps a firmware table, size bytes at this hpa; NULL if no such address exists. */
const void *firmware_map(uint64_t pa, uint64_t size);

/* The kernel's own tables; every root shares their upper half. */
extern struct pt kernel_pt;
/* Loads CR3 with the kernel's root, which maps nothing of any user. */
void pmap_load_kernel(void);
/* Boot: checks that they are W^X and closed to users, and exercises address spaces.  Panics. */
void pmap_check(void);

#endif
