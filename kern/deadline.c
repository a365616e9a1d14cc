#include "kern/deadline.h"

#include <stddef.h>

/* A binary heap: heap[i] is due no later than heap[2i + 1] and heap[2i + 2]. */
static struct env *heap[ENV_MAX];
static unsigned int heap_size;

static void
place(unsigned int i, struct env *e)
{
	heap[i] = e;
	e->timer = i + 1;
}

/* Puts e into the hole at i, or above. */
static void
sift_up(unsigned int i, struct env *e)
{
	while (i && heap[(i - 1) / 2]->deadline > e->deadline) {
		place(i, heap[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	place(i, e);
}

/* Puts e into the hole at i, or below. */
static void
sift_down(unsigned int i, struct env *e)
{
	unsigned int child;

	while ((child = 2 * i + 1) < heap_size) {
		if (child + 1 < heap_size && heap[child + 1]->deadline < heap[child]->deadline)
			child++;
		if (heap[child]->deadline >= e->deadline)
			break;
		place(i, heap[child]);
		i = child;
	}
	place(i, e);
}

/* Puts e into the hole at i, which may be wrong for it either way. */
static void
sift(unsigned int i, struct env *e)
{
	if (i && heap[(i - 1) / 2]->deadline > e->deadline)
		sift_up(i, e);
	else
		sift_down(i, e);
}

void
deadline_set(struct env *e, uint64_t tsc)
{
	unsigned int i = e->timer - 1;

	e->deadline = tsc;
	if (tsc != UINT64_MAX) {
		sift(e->timer ? i : heap_size++, e);
	} else if (e->timer) {
		struct env *last = heap[--heap_size];

		e->timer = 0;
		if (last != e)
			sift(i, last);
	}
}

struct env *
deadline_first(void)
{
	return heap_size ? heap[0] : NULL;
}
