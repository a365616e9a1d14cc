#ifndef NESTLING_KERN_DEADLINE_H
#define NESTLING_KERN_DEADLINE_H

#include <stdint.h>

#include "inc/memlayout.h"
#include "kern/env.h"

/*
 * Envs by deadline: a heap, so that a tick costs nothing when none has passed.  One for each CPU:
 * what falls due interrupts the CPU that the Env ran on, and no other.
 */

/* Sets e->deadline, which is that CPU's business from now on; UINT64_MAX takes e out. */
void deadline_set(struct env *e, unsigned int cpu, uint64_t tsc);
void deadline_clear(struct env *e);
/* For deadline_first() alone. */
extern struct env *deadline_heap[CPUS_MAX][ENV_MAX];

/* The Env whose deadline is first among those of a CPU, or NULL. */
static inline struct env *
deadline_first(unsigned int cpu)
{
	return deadline_heap[cpu][0];
}

#endif
