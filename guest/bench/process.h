#ifndef NESTLING_GUEST_BENCH_PROCESS_H
#define NESTLING_GUEST_BENCH_PROCESS_H

#include <stdbool.h>
#include <stdint.h>

/*
 * The processes of the workload `procs`.  Each has an address space and beside it a model: what its
 * pages hold and how an access to each must go.  Whatever is read, each fault and each accessed or
 * dirty bit is compared with the model.
 */

enum {
	AREAS = 3, /* of a process, so far apart that each has tables of its own */
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
	bool read_only; /* the first write faults, and gets a copy of a frame with other users */
	bool accessed, dirty; /* since page_clean */
	uint32_t stamp;       /* tells what it holds */
};

struct process {
	uint64_t root; /* 0: there is no such process */
	struct page pages[PAGES];
};

struct process_counts {
	unsigned int switches, forks, invlpgs, faults, copies, reads;
	unsigned int wrong_values, wrong_faults, wrong_bits; /* against the model */
	uint64_t checksum; /* of all that was read and of the faults */
};

/* Takes page faults until processes_end, which leaves the kernel's own CR3 and no process. */
void processes_begin(struct process *all, unsigned int n);
void processes_end(void);
/* Since processes_begin. */
const struct process_counts *process_counts(void);

/* A process of holes, or (fork) like the current one; false without frames. */
bool process_create(struct process *p);
bool process_fork(struct process *child);
void process_end(struct process *p);
/* Loads CR3; NULL: the kernel's own. */
void process_switch(struct process *p);

/* What follows is about pages of the current process.  Reads and writes must not be of holes. */
enum page_state page_state(unsigned int page);
void page_read(unsigned int page);
void page_write(unsigned int page, uint32_t stamp);
/* A read of a hole: must fail. */
void page_probe(unsigned int page);

/* Changes of page tables, each with the INVLPGs that it needs. */
void page_reserve(unsigned int page, uint32_t stamp); /* a hole becomes LAZY */
void page_unmap(unsigned int page);                   /* a hole again */
void page_protect(unsigned int page);                 /* read-only, if it is MAPPED */
void page_clean(unsigned int page);              /* clears accessed and dirty, if it is MAPPED */
void pages_swap(unsigned int a, unsigned int b); /* if both are MAPPED */
void area_unmap(unsigned int area);              /* its table, too */

#endif
