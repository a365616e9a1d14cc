#ifndef NESTLING_KERN_MEM_TLB_H
#define NESTLING_KERN_MEM_TLB_H

#include <stdint.h>

#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/mem/aspace.h"

/*
 * CR3 and the TLBs: which CPU has loaded which address space, and that none of them goes on with
 * an entry that is no more.  With the kernel lock held.  Entries are removed or narrowed in this
 * order, so that no CPU reaches a frame which has got another use:
 *
 *   tlb_hold()      no other CPU is in user mode with it, until the lock is released
 *   the entries change, the frames go
 *   tlb_flush()     who comes back to user mode with it, on whatever CPU, has flushed
 *
 * An entry that comes, or allows more than before, needs none of this: a CPU that does not know
 * of it faults, and finds it.
 */

void tlb_load(struct aspace *as); /* CR3, on this CPU */
void tlb_hold(struct aspace *as);
void tlb_flush(struct aspace *as, uint64_t va, uint64_t size);
/* as ends: no CPU has it loaded any more. */
void tlb_forget(const struct aspace *as);
bool tlb_loaded(const struct aspace *as); /* on some CPU */

/* On a CPU that was called back (kern/ipi.h), as soon as it has the lock: flushes what it missed.
 */
void tlb_catch_up(void);

/* Panics; see tlb_check(). */
_Noreturn void tlb_stale(const struct cpu *cpu);

/*
 * Before an Env goes on, with the lock: this CPU has its tables, and has flushed what they lost.
 * Emulators flush so often that one seldom notices if it has not.
 */
static inline void
tlb_check(const struct cpu *cpu)
{
	const struct aspace *as = cpu->env->as;

	if (cpu->aspace != as || cpu->tlb_gen != as->tlb_gen || as->held)
		tlb_stale(cpu);
}

#endif
