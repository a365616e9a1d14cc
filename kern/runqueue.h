#ifndef NESTLING_KERN_RUNQUEUE_H
#define NESTLING_KERN_RUNQUEUE_H

#include "kern/env.h"

/*
 * The queues of Envs that wait for a CPU, and the time slices: what kern/sched.c, which switches
 * between them, needs besides kern/sched.h.  All of it is about the CPU that calls.
 */

/* Takes the Env that runs next out of its queue; NULL: none waits. */
struct env *runqueue_take(void);
/* Puts e at the end of the round, with a new slice. */
void runqueue_put(struct env *e);
/* Finds a CPU for the next one that waits: another CPU may be idle, as this one was. */
void runqueue_share(void);

/* Starts the rest of e's slice; if nobody waits for the CPU, the slice has no end. */
void slice_start(const struct env *e);
/* e leaves the CPU, and keeps what is left. */
void slice_stop(struct env *e);
/* The CPU has no Env: only a deadline interrupts it. */
void slice_none(void);

#endif
