#ifndef NESTLING_VMM_ACCT_ACCT_H
#define NESTLING_VMM_ACCT_ACCT_H

#include "inc/mmu.h"
#include "vmm/arena.h"
#include "vmm/exit.h"

/*
 * Accounting: what exits a vCPU had, what each cost, and where its time went.
 * Always on, so what is here is written for few instructions.  Times are TSC
 * ticks, passed in as `now`.
 *
 *   acct_enter ... guest ... acct_exit, acct_count ... handler ... acct_enter
 *                                                              or acct_leave
 */

/* The kinds that have sub-keys: ports, MSRs, CPUID leaves, guest-physical pages. */
enum { ACCT_KEYED_KINDS = 5 };
extern const uint8_t acct_keyed[ACCT_KEYED_KINDS];
enum { ACCT_WAYS = 4, ACCT_SETS = VM_KEYS_MAX / ACCT_WAYS };

struct acct_keys {
	struct vm_key row[ACCT_SETS][ACCT_WAYS]; /* count 0: unused */
	struct vm_key overflow;                  /* what rows held that others have taken over */
};
_Static_assert(sizeof(struct acct_keys) <= PAGE_SIZE, "a table of sub-keys has one page");

/* The longest handler that a bucket of its own counts; those that take longer are in the last one,
 * too. */
enum { ACCT_LONG = (2 << (VM_BUCKET_SHIFT + VM_BUCKETS - 1)) - 1 };

struct acct_kind {
	uint64_t count;
	uint64_t cycles, min;   /* in the handler */
	uint64_t max;           /* of those that are not longer than ACCT_LONG */
	uint64_t longest;       /* of the others; 0: none */
	uint64_t monitor;       /* ticks in the monitor for exits of this kind */
	struct vm_key *key;     /* of the last exit */
	struct acct_keys *keys; /* NULL: this kind has none */
	uint64_t histogram[VM_BUCKETS];
};

/* As struct vm_span, without its number. */
struct acct_span {
	uint64_t exits, tsc, ticks, state;
};
_Static_assert(PAGE_SIZE % sizeof(struct acct_span) == 0, "spans fill a page");

enum {
	ACCT_EXITS_PER_PAGE = PAGE_SIZE / sizeof(struct hv_exit),
	ACCT_SPANS_PER_PAGE = PAGE_SIZE / sizeof(struct acct_span),
};

struct acct {
	struct hv_exit *exit; /* the last one, in the flight recorder */
	uint64_t total;       /* exits */
	uint64_t time[VM_TIMES];
	enum vm_time state; /* HANDLER also while the guest runs: see acct_enter() */
	uint64_t since;     /* when state began, unless it is HANDLER */
	uint64_t created;
	struct acct_kind *kinds[HV_EXIT_KINDS];
	struct arena arena; /* of kinds, keys and pages[] */
	void **pages;
	unsigned int page_count;
	/* In pages[]: the recorder's present one, then the first and present one of spans, up to
	 * the end. */
	unsigned int trace_page, span_first, span_page;
	struct acct_span *span;     /* the next one */
	uint64_t spans;             /* recorded so far */
	struct vm_key no_key;       /* of kinds without sub-keys */
	uint64_t vmreads, vmwrites; /* of exits; VMX only */
};

/* -E_NO_MEM.  The recorder has room for `trace` exits or more. */
int acct_init(struct acct *a, uint32_t trace, uint64_t now);
void acct_free(struct acct *a);
void acct_pages(const struct acct *a, void (*fn)(const void *page)); /* calls fn for each */

/* The recorder's next page, the oldest one: its first record. */
struct hv_exit *acct_turn_page(struct acct *a);
/* If the key has no row yet, the least of those that it may take goes to overflow. */
void acct_set_key(struct acct_kind *k, uint64_t key);
/* Not in the handler, nor in the guest: from here on, time is `next`'s. */
void acct_switch(struct acct *a, enum vm_time next, uint64_t now);

/* What a reader may ask for.  The vCPU is not in guest mode on this CPU. */
uint64_t acct_time(const struct acct *a, enum vm_time t, uint64_t now);
void acct_add_stats(const struct acct *a, struct vm_stats *out, uint64_t now);
void acct_add_histogram(const struct acct *a, enum hv_exit_kind kind, uint64_t buckets[VM_BUCKETS]);
void acct_add_keys(const struct acct *a, enum hv_exit_kind kind, struct vm_keys *out);
/* The exit of this number, counted from 0, or the oldest one kept; false: there is none yet. */
bool acct_trace(const struct acct *a, uint64_t number, struct vm_trace *out, uint64_t now);
/* The span of this number, likewise; the last one may go on until now. */
bool acct_span(const struct acct *a, uint64_t number, struct vm_span *out, uint64_t now);

/* A VM exit: its record, for the back end to decode it into. */
static inline struct hv_exit *
acct_exit(struct acct *a, uint64_t now)
{
	struct hv_exit *x = a->exit + 1;

	if ((uintptr_t)x % PAGE_SIZE == 0)
		x = acct_turn_page(a);
	a->exit = x;
	x->tsc = now;
	a->time[VM_TIME_GUEST] += now;
	return x;
}

static inline void
acct_count(struct acct *a, enum hv_exit_kind kind)
{
	a->kinds[kind]->count++;
	a->total++;
}

/* Is it the sub-key of the last exit of this kind, too?  Then there is nothing to do. */
static inline bool
acct_same_key(const struct acct *a, enum hv_exit_kind kind, uint64_t key)
{
	return a->kinds[kind]->key->key == key;
}

/* The sub-key of an exit of this kind. */
static inline void
acct_key(struct acct *a, enum hv_exit_kind kind, uint64_t key)
{
	if (!acct_same_key(a, kind, key))
		acct_set_key(a->kinds[kind], key);
}

/* The handler is done: the exit and its sub-key are charged. */
static inline struct hv_exit *
acct_charge(struct acct *a, uint64_t now)
{
	struct hv_exit *x = a->exit;
	struct acct_kind *k = a->kinds[x->kind];
	struct vm_key *key = k->key;
	uint64_t cycles = now - x->tsc;
	uint32_t size = (uint32_t)cycles;
	struct acct_kind *all;

	x->cycles = size;
	a->time[VM_TIME_HANDLER] += cycles;
	k->cycles += cycles;
	if (cycles < k->min)
		k->min = cycles;
	if (cycles > k->max) {
		k->max = cycles;
		if (cycles > ACCT_LONG) {
			k->max = size = ACCT_LONG;
			if (cycles > k->longest)
				k->longest = cycles;
		}
	}
	/* As if there were a bucket for each power of two: saves a subtraction. */
	all = (struct acct_kind *)((uint64_t *)k - VM_BUCKET_SHIFT);
	all->histogram[31 - (unsigned int)__builtin_clz(size | 1 << VM_BUCKET_SHIFT)]++;
	key->count++;
	key->cycles += cycles;
	return x;
}

/*
 * The guest is about to be entered.  The state stays HANDLER in the guest, for the next exit
 * would only set it again; time[GUEST] lacks the time of the entry until then.
 */
static inline void
acct_enter(struct acct *a, uint64_t now)
{
	a->time[VM_TIME_GUEST] -= now;
	if (a->state == VM_TIME_HANDLER)
		acct_charge(a, now);
	else
		acct_switch(a, VM_TIME_HANDLER, now);
}

/* The entry was refused: there is no exit. */
static inline void
acct_refused(struct acct *a, uint64_t now)
{
	a->time[VM_TIME_GUEST] += now;
	a->state = VM_TIME_MONITOR;
	a->since = now;
}

/* Guest mode is left, to the monitor or for the scheduler. */
static inline void
acct_leave(struct acct *a, enum vm_time next, uint64_t now)
{
	struct hv_exit *x;

	if (a->state != VM_TIME_HANDLER) {
		acct_switch(a, next, now);
		return;
	}
	x = acct_charge(a, now);
	x->action |= HV_LEFT;
	x->away = 0;
	a->state = next;
	a->since = now;
}

#endif
