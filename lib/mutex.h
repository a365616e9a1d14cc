#ifndef NESTLING_LIB_MUTEX_H
#define NESTLING_LIB_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A lock between the threads of a process.  Free, it costs one locked instruction to take and one
 * to release; who has to wait sleeps.  All zero is a free one.
 */
struct mutex {
	volatile uint32_t state; /* enum mutex_state */
};

enum mutex_state { MUTEX_FREE, MUTEX_HELD, MUTEX_AWAITED };

/* The rare ends of the functions below. */
void mutex_wait(struct mutex *m);
void mutex_wake(struct mutex *m);

static inline void
mutex_lock(struct mutex *m)
{
	uint32_t expected = MUTEX_FREE;

	if (!__atomic_compare_exchange_n(&m->state, &expected, MUTEX_HELD, false, __ATOMIC_ACQUIRE,
	                                 __ATOMIC_RELAXED))
		mutex_wait(m);
}

static inline void
mutex_unlock(struct mutex *m)
{
	if (__atomic_exchange_n(&m->state, MUTEX_FREE, __ATOMIC_RELEASE) == MUTEX_AWAITED)
		mutex_wake(m);
}

#endif
