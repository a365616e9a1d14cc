#ifndef NESTLING_KERN_LOCK_H
#define NESTLING_KERN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/cpu.h"

/* A ticket-free spin lock.  `taken` counts acquisitions, so that tests can prove a path lock-free.
 */
struct spinlock {
	volatile uint32_t holder; /* 1 + the CPU's index; 0: free */
	uint64_t taken;
	const char *name;
};

/* JOS's big kernel lock: held in the kernel, not in user mode, not in guest mode, not on fast
 * exits. */
extern struct spinlock kernel_lock;

/* The rare ends of the functions below: waits until the lock is taken; panics. */
void spin_wait(struct spinlock *l);
_Noreturn void spin_not_held(const struct spinlock *l);

static inline bool
spin_holding(const struct spinlock *l)
{
	return l->holder == this_cpu()->index + 1;
}

static inline bool
spin_try(struct spinlock *l)
{
	uint32_t nobody = 0;

	return __atomic_compare_exchange_n(&l->holder, &nobody, this_cpu()->index + 1, false,
	                                   __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
}

static inline void
spin_lock(struct spinlock *l)
{
	if (!spin_try(l))
		spin_wait(l);
	l->taken++;
}

static inline void
spin_unlock(struct spinlock *l)
{
	if (!spin_holding(l))
		spin_not_held(l);
	__atomic_store_n(&l->holder, 0, __ATOMIC_RELEASE);
}

#endif
