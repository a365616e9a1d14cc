#include "guest/bench/process.h"

#include "guest/bench/workload.h"
#include "guest/checks/check.h"
#include "guest/kernel/aspace.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/x86.h"

/*
 * The work of a kernel with processes, as page tables see it.  A round is 48 turns.  A turn
 * switches to a process, reads four of its pages and writes two; one turn of 16 also reads a hole,
 * which must fault.  Then the process of the last turn gets the next one of the edits below.  In
 * every fourth round a process ends and another takes its place: three of four are forks, the
 * others begin without mapped pages.  As in a real kernel, most loads of CR3 find the tables
 * unchanged: 100 rounds make about 4900 loads of CR3, 2900 page faults and 2000 INVLPGs.
 */

enum {
	PROCS = 8,
	TURNS = 48,
	READS = 4,
	WRITES = 2,
	PROBE_EVERY = 16, /* turns */
	BIRTH_EVERY = 4,  /* rounds */
	EDIT_PAGES = 4,
	ROUNDS = 100,
	ROUNDS_MAX = 1000000,
};
#define SEED 0x6e6573746c696e67
_Static_assert(FRAMES / PROCS >= PROCESS_FRAMES, "the pool holds all processes");

static struct process procs[PROCS];
static uint64_t random_state;

/* Returns a random number from 0 to n - 1 (xorshift64). */
static uint32_t
below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return (random_state >> 32) % n;
}

static uint32_t
new_stamp(void)
{
	return below(UINT32_MAX);
}

/*
 * Returns a random page that is a hole, or one that is not.  Returns PAGES if PAGES tries find
 * none.
 */
static unsigned int
find_page(bool hole)
{
	for (unsigned int tries = 0; tries < PAGES; tries++) {
		unsigned int page = below(PAGES);

		if ((page_state(page) == HOLE) == hole)
			return page;
	}
	return PAGES;
}

/*
 * Reads a page, or probes a hole.  Before an edit this fills the TLB, and after it, it shows a
 * missing flush.
 */
static void
look_at(unsigned int page)
{
	if (page_state(page) == HOLE)
		page_probe(page);
	else
		page_read(page);
}

static void
write_to(unsigned int page)
{
	if (page_state(page) != HOLE)
		page_write(page, new_stamp());
}

static void
edit_map(void)
{
	for (unsigned int i = 0; i < EDIT_PAGES; i++) {
		unsigned int page = below(PAGES), hole = find_page(true);

		look_at(page);
		page_unmap(page);
		look_at(page);
		if (hole < PAGES)
			page_reserve(hole, new_stamp());
	}
}

static void
edit_swap(void)
{
	for (unsigned int i = 0; i < EDIT_PAGES; i++) {
		unsigned int a = below(PAGES), b = below(PAGES);

		look_at(a);
		look_at(b);
		pages_swap(a, b);
		look_at(a);
		look_at(b);
	}
}

static void
edit_protect(void)
{
	for (unsigned int i = 0; i < EDIT_PAGES; i++) {
		unsigned int page = below(PAGES);

		write_to(page);
		page_protect(page);
		write_to(page);
	}
}

static void
edit_clean(void)
{
	unsigned int area = below(AREAS);

	for (unsigned int i = 0; i < AREA_PAGES; i++) {
		unsigned int page = area * AREA_PAGES + i;

		look_at(page);
		if (below(2))
			write_to(page);
		page_clean(page);
		if (below(2))
			write_to(page);
	}
}

static void
edit_area(void)
{
	unsigned int area = below(AREAS), page = area * AREA_PAGES;

	look_at(page);
	area_unmap(area);
	look_at(page);
	for (unsigned int i = 0; i < AREA_PAGES; i++)
		page_reserve(page + i, new_stamp());
}

/* Reads and writes pages of the current process.  Turn 0 and each 16th probe a hole, too. */
static void
turn(unsigned int n)
{
	unsigned int page;

	for (unsigned int i = 0; i < READS; i++)
		if ((page = find_page(false)) < PAGES)
			page_read(page);
	for (unsigned int i = 0; i < WRITES; i++)
		if ((page = find_page(false)) < PAGES)
			page_write(page, new_stamp());
	if (n % PROBE_EVERY == 0 && (page = find_page(true)) < PAGES)
		page_probe(page);
}

/* Begins a process without mapped pages.  One page of four is a hole, the others are LAZY. */
static bool
begin_empty(struct process *p)
{
	if (!process_create(p))
		return false;
	process_switch(p);
	for (unsigned int page = 0; page < PAGES; page++)
		if (below(4))
			page_reserve(page, new_stamp());
	return true;
}

/* Ends a process and begins another one in its place. */
static bool
birth(void)
{
	unsigned int place = below(PROCS), parent = (place + 1 + below(PROCS - 1)) % PROCS;
	unsigned int page = below(PAGES);
	bool done;

	process_end(&procs[place]);
	if (below(4) == 0)
		return begin_empty(&procs[place]);
	process_switch(&procs[parent]);
	write_to(page);
	done = process_fork(&procs[place]);
	write_to(page); /* the parent's copy now */
	return done;
}

static bool
one_round(uint64_t number)
{
	static void (*const edits[])(void) = {edit_map, edit_swap, edit_protect, edit_clean,
	                                      edit_area};
	unsigned int at = below(PROCS);

	for (unsigned int n = 0; n < TURNS; n++) {
		at = (at + 1 + below(PROCS - 1)) % PROCS;
		process_switch(&procs[at]);
		turn(n);
	}
	edits[number % ARRAY_SIZE(edits)]();
	return number % BIRTH_EVERY || birth();
}

/* Looks at all pages, holes, accessed and dirty bits of a process. */
static void
sweep(struct process *p)
{
	process_switch(p);
	for (unsigned int page = 0; page < PAGES; page++) {
		look_at(page);
		page_clean(page);
	}
}

struct work {
	uint64_t rounds;
	bool done;
};

static void
run_work(void *arg)
{
	struct work *w = arg;

	for (unsigned int i = 0; i < PROCS; i++)
		if (!begin_empty(&procs[i]))
			return;
	for (uint64_t i = 0; i < w->rounds; i++)
		if (!one_round(i))
			return;
	for (unsigned int i = 0; i < PROCS; i++)
		sweep(&procs[i]);
	w->done = true;
}

static void
report(const struct work *w, const struct process_counts *c)
{
	printf("procs: %lu rounds, %u faults, checksum %08x\n", w->rounds, c->faults,
	       checksum_short(c->checksum));
	printf("procs: %u loads of CR3, %u INVLPGs, %u forks, %u copies of pages\n", c->switches,
	       c->invlpgs, c->forks, c->copies);
	check(c->wrong_values == 0, "procs: %u reads find what was written, %u do not", c->reads,
	      c->wrong_values);
	check(c->wrong_faults == 0, "procs: faults where they must be, and only there, %u wrong",
	      c->wrong_faults);
	check(c->wrong_bits == 0, "procs: accessed and dirty bits tell what was done, %u wrong",
	      c->wrong_bits);
	check(frames_free() == FRAMES, "procs: all frames come back, %u do not",
	      FRAMES - frames_free());
}

int
cmd_procs(int argc, char **argv)
{
	struct work w = {.done = false};
	struct fault f;

	if (!arg_number(argc, argv, 1, ROUNDS, 1, ROUNDS_MAX, &w.rounds))
		return STATUS_USAGE;
	if (!frames_init()) {
		printf("procs: %u KiB wanted, only %lu KiB of RAM were never touched\n", FRAMES * 4,
		       mem_fresh_left() * 4);
		return STATUS_FAILED;
	}
	random_state = SEED;
	processes_begin(procs, PROCS);
	if (try_run(run_work, &w, &f))
		check(false, "procs: %s at rip %lx, cr2 %lx, error %lx", trap_name(f.vector), f.rip,
		      f.cr2, f.error);
	else
		check(w.done, "procs: a frame for each page and table");
	processes_end();
	report(&w, process_counts());
	return 0;
}
