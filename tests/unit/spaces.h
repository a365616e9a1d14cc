#ifndef NESTLING_TESTS_UNIT_SPACES_H
#define NESTLING_TESTS_UNIT_SPACES_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/memlayout.h"
#include "kern/mem/aspace.h"

/*
 * Address spaces, each with a plain model: the contents of each page, the frames that a watcher
 * remembers, and the frames that the TLBs of two CPUs remember.  The functions of kern/mem/tlb.h
 * are here, too.
 */

enum {
	SPACES = 5,
	FRAMES = 4, /* frames of 2 MiB in the window that each space uses */
	WINDOW_PAGES = FRAMES * FRAME_PAGES,
	CELLS = SPACES * WINDOW_PAGES + 1,
	CPUS = 2, /* the first is the one that runs */
};
#define WINDOW UVM_RAM

/* The contents of a page: the first word of its memory.  A private page has a cell of its own;
 * shared pages share a cell. */
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

/* Returns a cell that nobody used; it now has one user. */
unsigned int cell_new(uint64_t value);

/* Unmaps the page in the model. */
void model_clear(struct model *m);

/* Gives the space an address space, if there is memory for one, and watches it. */
void space_create(struct space *s);

void space_drop(struct space *s);

#endif
