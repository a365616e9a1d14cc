#ifndef NESTLING_GUEST_KERNEL_ASPACE_H
#define NESTLING_GUEST_KERNEL_ASPACE_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Address spaces (aspace.c): four-level tables whose lower half is their own and whose upper
 * half is the kernel's, and the frames that tables and pages are made of.  All addresses of
 * frames are physical.  No function flushes the TLB: who changes an entry in use does.
 */

/* Frames come from a pool, and the one that came back last goes out first. */
enum { FRAMES = 480 };

/* Sets the pool aside, once; false when less RAM than that was never touched. */
bool frames_init(void);
unsigned int frames_free(void);
/* A frame of zeros with one user; 0 when the pool is empty. */
uint64_t frame_alloc(void);
/* One user more, one less; without a user it is free. */
void frame_share(uint64_t frame);
void frame_drop(uint64_t frame);
bool frame_is_shared(uint64_t frame);

/* An empty lower half: the root, to be loaded into CR3, or 0 without a frame. */
uint64_t aspace_create(void);
/* Gives the tables back, and one use of each page that is mapped.  Not while it is in CR3. */
void aspace_destroy(uint64_t root);
/*
 * The last level's entry for an address in the lower half.  Where its tables do not exist they
 * are made with `create`; NULL without, or without frames for them.
 */
uint64_t *aspace_entry(uint64_t root, uint64_t va, bool create);
/* Gives the last level's table for an address back, whose entries must all be 0. */
void aspace_drop_table(uint64_t root, uint64_t va);

#endif
