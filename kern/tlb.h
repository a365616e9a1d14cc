#ifndef NESTLING_KERN_TLB_H
#define NESTLING_KERN_TLB_H

#include <stdint.h>

struct aspace;

/*
 * CR3 and the TLBs: which CPU has loaded which address space, and that none of them goes on with
 * an entry that is no more.  With the kernel lock held.  Entries are removed or narrowed in this
 * order, so that no CPU reaches a frame which has got another use:
 *
 *   tlb_hold()      no other CPU is in user mode with it, until the lock is released
 *   the entries change, the frames go
 *   tlb_flush()     who comes back to user mode with it, on whatever CPU, has flushed
 */

void tlb_load(struct aspace *as); /* CR3, on this CPU */
void tlb_hold(const struct aspace *as);
/* Without tlb_hold() for an entry that allows more than before: then others may fault once more. */
void tlb_flush(struct aspace *as, uint64_t va, uint64_t size);
/* as ends: no CPU has it loaded any more. */
void tlb_forget(const struct aspace *as);

/* On a CPU that was called back (kern/ipi.h), as soon as it has the lock: flushes what it missed.
 */
void tlb_catch_up(void);
/* This CPU loads the kernel's own tables if it has those of as.  The lock may be another CPU's. */
void tlb_unload(const struct aspace *as);

#endif
