#include "kern/deadline.h"

#include <stddef.h>

#include "inc/memlayout.h"

/* A binary heap for each CPU: at[i] is due no later than at[2i + 1] and at[2i + 2]. */
struct env *deadline_heap[CPUS_MAX][ENV_MAX];
static unsigned int sizes[CPUS_MAX];

static void
place(struct env **at, unsigned int i, struct env *e)
{
	at[i] = e;
	e->timer = i + 1;
}

/* Puts e into the hole at i, or above. */
static void
sift_up(struct env **at, unsigned int i, struct env *e)
{
	while (i && at[(i - 1) / 2]->deadline > e->deadline) {
		place(at, i, at[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(at, i, e);
}

/* Puts e into the hole at i, or below. */
static void
sift_down(struct env **at, unsigned int size, unsigned int i, struct env *e)
{
	unsigned int child;

	while ((child = 2 * i + 1) < size) {
		if (child + 1 < size && at[child + 1]->deadline < at[child]->deadline)
			child++;
		if (at[child]->deadline >= e->deadline)
			break;
		place(at, i, at[child]);
		i = child;
	}
	place(at, i, e);
}

/* Puts e into the hole at i of a CPU's heap, which may be wrong for it either way. */
static void
sift(unsigned int cpu, unsigned int i, struct env *e)
{
	struct env **at = deadline_heap[cpu];

	if (i && at[(i - 1) / 2]->deadline > e->deadline)
		sift_up(at, i, e);
	else
		sift_down(at, sizes[cpu], i, e);
}

static void
take_out(struct env *e)
{
	unsigned int cpu = e->timer_cpu, i = e->timer - 1;
	struct env **end = &deadline_heap[cpu][--sizes[cpu]];
	struct env *last = *end;

	*end = NULL;
	e->timer = 0;
	if (last != e)
		sift(cpu, i, last);
}

void
deadline_set(struct env *e, unsigned int cpu, uint64_t tsc)
{
	if (e->timer && (tsc == UINT64_MAX || e->timer_cpu != cpu))
		take_out(e);
	e->deadline = tsc;
	if (tsc == UINT64_MAX)
		return;
	e->timer_cpu = cpu;
	sift(cpu, e->timer ? e->timer - 1 : sizes[cpu]++, e);
}

void
deadline_clear(struct env *e)
{
	deadline_set(e, e->timer_cpu, UINT64_MAX);
}
