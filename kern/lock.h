#ifndef NESTLING_KERN_LOCK_H
#define NESTLING_KERN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/cpu.h"

/*
 * A spin lock that is taken in the order of asking: a CPU that comes back to it at once would
 * else keep others out for ever, which an emulator's even pace makes certain.  `taken` counts
 * acquisitions, so that tests can prove a path lock-free.
 */
struct spinlock {
	volatile uint32_t next, serving; /* tickets */
	volatile uint32_t holder;        /* 1 + the CPU's index; 0: free */
	uint64_t taken;
	const char *name;
	void (*waiting)(void); /* called again and again by a CPU that waits, or NULL */
	void (*waited)(void);  /* called by a CPU that has waited, and has the lock, or NULL */
};

/* JOS's big kernel lock: held in the kernel, not in user mode, not in guest mode, not on fast
 * exits. */
extern struct spinlock kernel_lock;

/* The rare ends of the functions below: waits for a ticket's turn; panics. */
void spin_wait(struct spinlock *l, uint32_t ticket);
_Noreturn void spin_not_held(const struct spinlock *l);

static inline bool
spin_holding(const struct spinlock *l)
{
	return l->holder == this_cpu()->index + 1;
}

static inline void
spin_lock(struct spinlock *l)
{
	uint32_t ticket = __atomic_fetch_add(&l->next, 1, __ATOMIC_RELAXED);

	if (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket)
		spin_wait(l, ticket);
	l->holder = this_cpu()->index + 1;
	l->taken++;
}

static inline void
spin_unlock(struct spinlock *l)
{
	if (!spin_holding(l))
		spin_not_held(l);
	l->holder = 0;
	__atomic_store_n(&l->serving, l->serving + 1, __ATOMIC_RELEASE);
}

/*
 * Waits until the CPU that holds the lock now, and those that queue before this CPU, have released
 * it.  The lock may be taken again by the time the function returns.
 */
static inline void
spin_wait_free(struct spinlock *l)
{
	spin_lock(l);
	spin_unlock(l);
}

#endif
