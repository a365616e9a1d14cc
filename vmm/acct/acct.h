#ifndef NESTLING_VMM_ACCT_ACCT_H
#define NESTLING_VMM_ACCT_ACCT_H

#include "inc/mmu.h"
#include "vmm/arena.h"
#include "vmm/exit.h"

/*
 * Accounting: which exits a vCPU had, what each cost, and where the time went.  It is always on, so
 * the functions here are written for few instructions.  Times are ticks of the host's TSC; the
 * caller passes the present time as `now`.
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
	struct vm_key overflow;                  /* sum of the rows that lost their place */
};
_Static_assert(sizeof(struct acct_keys) <= PAGE_SIZE, "a table of sub-keys has one page");

/* The most ticks that the last bucket is meant for.  It also counts handlers that take longer. */
enum { ACCT_LONG = (2 << (VM_BUCKET_SHIFT + VM_BUCKETS - 1)) - 1 };

/* The account of one exit kind. */
struct acct_kind {
	uint64_t count;
	uint64_t cycles;        /* ticks in the handler, all exits together */
	uint64_t min;           /* ticks of the shortest handler */
	uint64_t max;           /* ticks of the longest handler, at most ACCT_LONG */
	uint64_t longest;       /* ticks of the longest one beyond ACCT_LONG; 0: there is none */
	uint64_t monitor;       /* ticks in the monitor for exits of this kind */
	struct vm_key *key;     /* the row of the last exit's sub-key */
	struct acct_keys *keys; /* NULL: this kind has no sub-keys */
	uint64_t histogram[VM_BUCKETS];
};

/* Like struct vm_span, but without its number. */
struct acct_span {
	uint64_t exits, tsc, ticks, state;
};
_Static_assert(PAGE_SIZE % sizeof(struct acct_span) == 0, "spans fill a page");

enum {
	ACCT_EXITS_PER_PAGE = PAGE_SIZE / sizeof(struct hv_exit),
	ACCT_SPANS_PER_PAGE = PAGE_SIZE / sizeof(struct acct_span),
};

struct acct {
	struct hv_exit *exit;    /* the last exit's record, in the flight recorder */
	uint64_t total;          /* exits so far */
	uint64_t time[VM_TIMES]; /* ticks in each state, as far as they are charged */
	enum vm_time state;      /* VM_TIME_HANDLER while the guest runs, too: see acct_enter() */
	uint64_t since;          /* TSC when state began; not valid in VM_TIME_HANDLER */
	uint64_t created;        /* TSC */
	struct acct_kind *kinds[HV_EXIT_KINDS];
	struct arena arena; /* holds *kinds[], their keys, and pages[] */
	/* The pages of records: first those of the flight recorder, then those of spans. */
	void **pages;
	unsigned int page_count;
	unsigned int trace_page;    /* index of the page that *exit is in */
	unsigned int span_first;    /* index of the first page of spans */
	unsigned int span_page;     /* index of the page that *span is in */
	struct acct_span *span;     /* where the next span goes */
	uint64_t spans;             /* spans so far */
	struct vm_key no_key;       /* the row for all kinds without sub-keys */
	uint64_t vmreads, vmwrites; /* made for exits; VMX only */
};

/* Starts an account whose recorder has room for `trace` exits or more; 0: the default.
 * -E_NO_MEM; -E_INVAL: more than VM_TRACE_MAX. */
int acct_init(struct acct *a, uint32_t trace, uint64_t now);
void acct_free(struct acct *a);
void acct_pages(const struct acct *a, void (*fn)(const void *page)); /* calls fn for each page */

/* Moves on to the recorder's oldest page, and returns its first record. */
struct hv_exit *acct_turn_page(struct acct *a);
/* Sets k->key to the row of a sub-key.  A key without a row takes the row of its set that counts
 * the fewest exits; what that row held is added to overflow. */
void acct_set_key(struct acct_kind *k, uint64_t key);
/* Ends the present state and begins `next`.  The vCPU is in neither its guest nor a handler. */
void acct_switch(struct acct *a, enum vm_time next, uint64_t now);

/* For readers of an account.  Its vCPU must not be in guest mode. */
/* Returns the ticks in a state until now. */
uint64_t acct_time(const struct acct *a, enum vm_time t, uint64_t now);
void acct_add_stats(const struct acct *a, struct vm_stats *out, uint64_t now);
void acct_add_histogram(const struct acct *a, enum hv_exit_kind kind, uint64_t buckets[VM_BUCKETS]);
void acct_add_keys(const struct acct *a, enum hv_exit_kind kind, struct vm_keys *out);
/* Reads exit `number`, counted from 0, or the oldest one that is kept, if that is younger.  Returns
 * false if the exit has not happened yet. */
bool acct_trace(const struct acct *a, uint64_t number, struct vm_trace *out, uint64_t now);
/* Reads a span in the same way.  The last span may still go on: its ticks are those until now. */
bool acct_span(const struct acct *a, uint64_t number, struct vm_span *out, uint64_t now);

/* Called at a VM exit.  Returns the record that the back end decodes the exit into. */
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

/* Counts an exit of this kind; the handler comes next. */
static inline void
acct_count(struct acct *a, enum hv_exit_kind kind)
{
	a->kinds[kind]->count++;
	a->total++;
}

/* Did the last exit of this kind have the same sub-key?  Then acct_key() has nothing to do. */
static inline bool
acct_same_key(const struct acct *a, enum hv_exit_kind kind, uint64_t key)
{
	return a->kinds[kind]->key->key == key;
}

/* Sets the sub-key of an exit of this kind, so that acct_charge() finds its row. */
static inline void
acct_key(struct acct *a, enum hv_exit_kind kind, uint64_t key)
{
	if (!acct_same_key(a, kind, key))
		acct_set_key(a->kinds[kind], key);
}

/* Charges the ticks of the handler, which ends now, to the exit, its kind and its sub-key. */
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
	/* Index from where the bucket for 2^0 would be: that saves a subtraction. */
	all = (struct acct_kind *)((uint64_t *)k - VM_BUCKET_SHIFT);
	all->histogram[31 - (unsigned int)__builtin_clz(size | 1 << VM_BUCKET_SHIFT)]++;
	key->count++;
	key->cycles += cycles;
	return x;
}

/*
 * Called right before an entry.  The state stays HANDLER while the guest runs, for the next exit
 * would only set it again.  time[GUEST] gets the TSC of the entry subtracted, and at the exit the
 * TSC of the exit added.
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

/* Called when an entry was refused: there is no exit to charge. */
static inline void
acct_refused(struct acct *a, uint64_t now)
{
	a->time[VM_TIME_GUEST] += now;
	a->state = VM_TIME_MONITOR;
	a->since = now;
}

/* Called when the loop of entries ends, for the monitor or for the scheduler. */
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
