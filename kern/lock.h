#ifndef NESTLING_KERN_LOCK_H
#define NESTLING_KERN_LOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A ticket-free spin lock.  `taken` counts acquisitions, so that tests can prove a path lock-free.
 */
struct spinlock {
	volatile uint32_t locked;
	uint32_t cpu; /* holder */
	uint64_t taken;
	const char *name;
};

/* JOS's big kernel lock: held in the kernel, not in user mode, not in guest mode, not on fast
 * exits. */
extern struct spinlock kernel_lock;

void spin_lock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
bool spin_holding(const struct spinlock *l);

#endif
