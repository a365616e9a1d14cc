#ifndef NESTLING_TESTS_UNIT_SPACES_H
#define NESTLING_TESTS_UNIT_SPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/memlayout.h"
#include "kern/mem/aspace.h"

/*
 * Address spaces, and beside each a plain model: what each page shows, which frames a watcher
 * remembers and which the TLBs of two CPUs do.  Here are the TLBs' functions of kern/mem/tlb.h,
 * too.
 */

enum {
	SPACES = 5,
	FRAMES = 4, /* of 2 MiB, in the window of each space that is used */
	WINDOW_PAGES = FRAMES * FRAME_PAGES,
	CELLS = SPACES * WINDOW_PAGES + 1,
	CPUS = 2, /* the first is the one that runs */
};
#define WINDOW UVM_RAM

/* What a page shows: the first word of its memory.  A private page has a cell of its own, and
 * shared pages have one together. */
struct cell {
	uint64_t value;
	unsigned int refs;
};

struct space {
	struct aspace *as; /* NULL: unused */
	struct aspace_watcher watcher;
	struct model {
		unsigned int cell; /* 0: nothing is mapped */
		bool writable, shared;
	} page[WINDOW_PAGES];
	struct frame seen[WINDOW_PAGES]; /* as an EPT would keep it; size 0: nothing */
	struct frame tlb[CPUS][WINDOW_PAGES];
};

extern struct cell cells[CELLS];
extern struct space spaces[SPACES];

/* The hva of this page of the window. */
static inline uint64_t
page_va(unsigned int page)
{
	return WINDOW + page * (uint64_t)PAGE_SIZE;
}

/* A cell that nobody uses, now with one user. */
unsigned int cell_new(uint64_t value);

/* The page shows nothing any more. */
void model_clear(struct model *m);

/* Gives the space an address space, if there is memory for one, and watches it. */
void space_create(struct space *s);

void space_drop(struct space *s);

#endif
