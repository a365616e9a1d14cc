#ifndef NESTLING_KERN_SCHED_H
#define NESTLING_KERN_SCHED_H

#include <stdint.h>

#include "kern/env.h"

/* Picks the next runnable Env, round robin, and runs it; halts the CPU when there is none. */
_Noreturn void sched_yield(void);

/* kern/runqueue.c */

/* Makes a blocked Env runnable.  It runs next if it has not used up its slice. */
void sched_wake(struct env *e);
/* Puts a new Env into the run queue. */
void sched_start(struct env *e);
/* e ends: takes it out of every queue; those that wait to send to it wake and find it gone. */
void sched_forget(struct env *e);
/* Blocks e, which must be the current one; the caller then calls sched_yield(). */
void sched_block(struct env *e, enum env_wait why, uint32_t wait_for);
/* Another CPU has interrupted this one: Envs may wait for which its own was alone so far. */
void sched_poked(void);
/* Another CPU's Env gives it up as soon as it has the kernel lock. */
void sched_preempt(struct cpu *cpu);
/* The timer interrupt: wakes Envs whose deadline passed, kicks vCPUs, ends the slice. */
void sched_tick(void);
/* e->deadline changed: programs the timer if that is sooner. */
void sched_deadline(struct env *e, uint64_t tsc);

#endif
