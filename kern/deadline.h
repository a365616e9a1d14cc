#ifndef NESTLING_KERN_DEADLINE_H
#define NESTLING_KERN_DEADLINE_H

#include <stdint.h>

#include "kern/env.h"

/* Envs by deadline: a heap, so that a tick costs nothing when none has passed. */

/* Sets e->deadline; UINT64_MAX takes e out. */
void deadline_set(struct env *e, uint64_t tsc);
/* The Env whose deadline is first, or NULL. */
struct env *deadline_first(void);

#endif
