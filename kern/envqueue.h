#ifndef NESTLING_KERN_ENVQUEUE_H
#define NESTLING_KERN_ENVQUEUE_H

#include <stddef.h>

#include "kern/env.h"

/* Doubly linked, so that an Env that is ended leaves the middle of a queue at once. */

static inline void
queue_push(struct env_queue *q, struct env *e)
{
	e->queue = q;
	e->next = NULL;
	e->prev = q->tail;
	*(q->tail ? &q->tail->next : &q->head) = e;
	q->tail = e;
}

/* Takes e out of the queue that it is in, if it is in one. */
static inline void
queue_leave(struct env *e)
{
	struct env_queue *q = e->queue;

	if (!q)
		return;
	*(e->prev ? &e->prev->next : &q->head) = e->next;
	*(e->next ? &e->next->prev : &q->tail) = e->prev;
	e->queue = NULL;
}

/* The first, taken out; NULL when the queue is empty. */
static inline struct env *
queue_pop(struct env_queue *q)
{
	struct env *e = q->head;

	if (e)
		queue_leave(e);
	return e;
}

#endif
