#ifndef NESTLING_GUEST_KERNEL_ASPACE_H
#define NESTLING_GUEST_KERNEL_ASPACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Address spaces (aspace.c), and the frames that their tables and pages are made of.  An address
 * space is a four-level table: its lower half is its own, its upper half is the kernel's.  All
 * addresses of frames are physical.  No function flushes the TLB: the caller does, after it changed
 * an entry in use.
 */

/* Frames come from a pool.  The frame that came back last goes out first. */
enum { FRAMES = 480 };

/* Takes the pool from untouched RAM, once.  Returns false if too little is left. */
bool frames_init(void);
unsigned int frames_free(void);
/* Returns a frame of zeros with one user, or 0 if the pool is empty. */
uint64_t frame_alloc(void);
/* Add and drop a user of a frame.  A frame without users is free. */
void frame_share(uint64_t frame);
void frame_drop(uint64_t frame);
bool frame_is_shared(uint64_t frame);

/*
 * Makes an address space with an empty lower half.  Returns its root, for CR3, or 0 without a
 * frame.
 */
uint64_t aspace_create(void);
/* Frees the tables and drops one user of each mapped page.  The root must not be in CR3. */
void aspace_destroy(uint64_t root);
/*
 * Returns the last level's entry for an address in the lower half.  With `create`, makes missing
 * tables.  Returns NULL if a table is missing or no frame is free for it.
 */
uint64_t *aspace_entry(uint64_t root, uint64_t va, bool create);
/* Frees the last level's table for an address.  All entries of the table must be 0. */
void aspace_drop_table(uint64_t root, uint64_t va);

#endif
