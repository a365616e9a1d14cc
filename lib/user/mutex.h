#ifndef NESTLING_LIB_USER_MUTEX_H
#define NESTLING_LIB_USER_MUTEX_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A lock between the threads of a process, which get it in the order in which they came: one that
 * wants it again at once, over and over, keeps out nobody.  Free, it costs one locked instruction
 * to take and one to release; who has to wait sleeps.  All zero is a free one.
 */
struct mutex {
	volatile uint32_t next;    /* ticket that the next one to come draws */
	volatile uint32_t serving; /* ticket of who has the lock, or has it as soon as he comes */
};

/* The rare ends of the functions below. */
void mutex_wait(struct mutex *m, uint32_t ticket);
void mutex_wake(struct mutex *m);

static inline void
mutex_lock(struct mutex *m)
{
	uint32_t ticket = __atomic_fetch_add(&m->next, 1, __ATOMIC_SEQ_CST);

	if (__atomic_load_n(&m->serving, __ATOMIC_ACQUIRE) != ticket)
		mutex_wait(m, ticket);
}

static inline void
mutex_unlock(struct mutex *m)
{
	/* A full barrier: who draws a ticket after the look at `next` finds itself served. */
	uint32_t serving = __atomic_add_fetch(&m->serving, 1, __ATOMIC_SEQ_CST);

	if (__atomic_load_n(&m->next, __ATOMIC_SEQ_CST) != serving)
		mutex_wake(m);
}

#endif
