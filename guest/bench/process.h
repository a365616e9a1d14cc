#ifndef NESTLING_GUEST_BENCH_PROCESS_H
#define NESTLING_GUEST_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The processes of the workload `procs`.  Each has an address space, and beside it a model: what
 * its pages hold, and how an access to each page must go.  All values read, faults, and accessed
 * and dirty bits are compared with the model.
 */

enum {
	AREAS = 3, /* areas of a process, so far apart that each has tables of its own */
	AREA_PAGES = 16,
	PAGES = AREAS * AREA_PAGES,
	PROCESS_FRAMES = 9 + PAGES, /* at most: root, tables and pages */
};

enum page_state {
	HOLE, /* not the process's: an access fails */
	LAZY, /* the first access maps it */
	MAPPED,
};

struct page {
	enum page_state state;
	bool read_only;       /* the first write faults; a frame with other users is copied then */
	bool accessed, dirty; /* since page_clean */
	uint32_t stamp;       /* tells what the page holds */
};

struct process {
	uint64_t root; /* 0: there is no such process */
	struct page pages[PAGES];
};

struct process_counts {
	unsigned int switches, forks, invlpgs, faults, copies, reads;
	unsigned int wrong_values, wrong_faults, wrong_bits; /* differ from the model */
	uint64_t checksum; /* sum over the values read and the faults */
};

/*
 * Handles page faults until processes_end(), which ends all processes and loads the kernel's own
 * CR3.
 */
void processes_begin(struct process *all, unsigned int n);
void processes_end(void);
/* Returns the counts since processes_begin(). */
const struct process_counts *process_counts(void);

/*
 * Make a process: one of holes only, or (fork) a copy of the current one.  Return false if frames
 * run out.
 */
bool process_create(struct process *p);
bool process_fork(struct process *child);
void process_end(struct process *p);
/* Loads CR3; NULL: the kernel's own. */
void process_switch(struct process *p);

/* The functions below work on pages of the current process.  Holes must not be read or written. */
enum page_state page_state(unsigned int page);
void page_read(unsigned int page);
void page_write(unsigned int page, uint32_t stamp);
/* Reads a hole, which must fault. */
void page_probe(unsigned int page);

/* Changes of page tables, each with the INVLPGs that it needs. */
void page_reserve(unsigned int page, uint32_t stamp); /* makes a hole LAZY */
void page_unmap(unsigned int page);                   /* makes the page a hole */
void page_protect(unsigned int page);                 /* makes it read-only, if it is MAPPED */
void page_clean(unsigned int page);              /* clears accessed and dirty, if it is MAPPED */
void pages_swap(unsigned int a, unsigned int b); /* if both are MAPPED */
void area_unmap(unsigned int area);              /* unmaps its pages and frees their table */

#endif
