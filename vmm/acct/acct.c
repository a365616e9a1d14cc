#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"

/* Accounting: memory, the rare cases, and answers to readers.  acct.h has the common cases. */

enum {
	TRACE_PAGES_MAX = VM_TRACE_MAX / ACCT_EXITS_PER_PAGE,
	SPAN_PAGES_MAX = VM_TRACE_MAX / ACCT_SPANS_PER_PAGE + 1,
};

const uint8_t acct_keyed[ACCT_KEYED_KINDS] = {HV_EXIT_CPUID, HV_EXIT_IO_INSTRUCTION, HV_EXIT_RDMSR,
                                              HV_EXIT_WRMSR, HV_EXIT_EPT_VIOLATION};

_Static_assert((TRACE_PAGES_MAX + SPAN_PAGES_MAX) * sizeof(void *) <= PAGE_SIZE,
               "the table of pages has one page");
/* Kinds fill the rest of the pages with a table of keys, and then pages of their own. */
_Static_assert(sizeof(struct acct_keys) + 4 * sizeof(struct acct_kind) <= PAGE_SIZE,
               "four kinds beside a table of keys");
enum { ACCT_HASH_SHIFT = 59 };
_Static_assert(ACCT_SETS == 1 << (64 - ACCT_HASH_SHIFT), "a hash value for each set");

static int
init_kinds(struct acct *a)
{
	struct acct_keys *keys[ACCT_KEYED_KINDS];

	for (unsigned int i = 0; i < ACCT_KEYED_KINDS; i++)
		if (!(keys[i] = arena_alloc(&a->arena, sizeof(*keys[i]), sizeof(uint64_t))))
			return -E_NO_MEM;
	for (unsigned int i = 0; i < HV_EXIT_KINDS; i++) {
		struct acct_kind *k = arena_alloc(&a->arena, sizeof(*k), sizeof(uint64_t));

		if (!k)
			return -E_NO_MEM;
		a->kinds[i] = k;
		k->min = UINT64_MAX;
		k->key = &a->no_key;
	}
	a->no_key.key = VM_KEY_NONE;
	for (unsigned int i = 0; i < ACCT_KEYED_KINDS; i++)
		a->kinds[acct_keyed[i]]->keys = keys[i];
	return 0;
}

static void *
new_page(struct acct *a)
{
	void *page = host_page();

	if (page)
		a->pages[a->page_count++] = page;
	return page;
}

/* Allocates the pages, with room for as many spans as exits.  a->exit begins as the last record of
 * the last page, so that the first exit turns to the first page. */
static int
init_trace(struct acct *a, uint32_t trace)
{
	uint32_t exit_pages = (trace + ACCT_EXITS_PER_PAGE - 1) / ACCT_EXITS_PER_PAGE;
	uint32_t span_pages = (trace + ACCT_SPANS_PER_PAGE - 1) / ACCT_SPANS_PER_PAGE;
	struct hv_exit *page;

	a->pages = arena_alloc(&a->arena, (exit_pages + span_pages) * sizeof(*a->pages),
	                       sizeof(*a->pages));
	if (!a->pages)
		return -E_NO_MEM;
	for (uint32_t i = 0; i < exit_pages + span_pages; i++)
		if (!new_page(a))
			return -E_NO_MEM;
	a->trace_page = exit_pages - 1;
	page = a->pages[a->trace_page];
	a->exit = &page[ACCT_EXITS_PER_PAGE - 1];
	a->exit->kind = HV_EXIT_UNKNOWN;
	a->span_first = a->span_page = exit_pages;
	a->span = a->pages[a->span_first];
	return 0;
}

int
acct_init(struct acct *a, uint32_t trace, uint64_t now)
{
	int err;

	memset(a, 0, sizeof(*a));
	if (trace == 0)
		trace = VM_TRACE_DEFAULT;
	if (trace > VM_TRACE_MAX)
		return -E_INVAL;
	if ((err = init_kinds(a)) < 0 || (err = init_trace(a, trace)) < 0) {
		acct_free(a);
		return err;
	}
	a->state = VM_TIME_MONITOR;
	a->since = a->created = now;
	return 0;
}

void
acct_free(struct acct *a)
{
	while (a->page_count)
		host_page_free(a->pages[--a->page_count]);
	arena_free(&a->arena);
}

void
acct_pages(const struct acct *a, void (*fn)(const void *page))
{
	arena_pages(&a->arena, fn);
	for (unsigned int i = 0; i < a->page_count; i++)
		fn(a->pages[i]);
}

struct hv_exit *
acct_turn_page(struct acct *a)
{
	if (++a->trace_page == a->span_first)
		a->trace_page = 0;
	return a->pages[a->trace_page];
}

static struct vm_key *
lesser(struct vm_key *a, struct vm_key *b)
{
	return b->count < a->count ? b : a;
}

/* Returns the row of a set that has the key, or else the row that counts the fewest exits.  Written
 * out, since a loop takes twice as long. */
static struct vm_key *
row_for(struct vm_key set[ACCT_WAYS], uint64_t key)
{
	_Static_assert(ACCT_WAYS == 4, "each way is looked at");
	/* An unused row has key 0, and may become the row of key 0. */
	if (set[0].key == key)
		return &set[0];
	if (set[1].key == key)
		return &set[1];
	if (set[2].key == key)
		return &set[2];
	if (set[3].key == key)
		return &set[3];
	return lesser(lesser(&set[0], &set[1]), lesser(&set[2], &set[3]));
}

void
acct_set_key(struct acct_kind *k, uint64_t key)
{
	struct acct_keys *keys = k->keys;
	/* Fibonacci hashing: the upper bits of the product depend on all bits of the key. */
	struct vm_key *row =
	        row_for(keys->row[(key * 0x9e3779b97f4a7c15ull) >> ACCT_HASH_SHIFT], key);

	k->key = row;
	if (row->key == key)
		return;
	keys->overflow.count += row->count;
	keys->overflow.cycles += row->cycles;
	*row = (struct vm_key){.key = key};
}

static uint64_t
span_room(const struct acct *a)
{
	return (uint64_t)(a->page_count - a->span_first) * ACCT_SPANS_PER_PAGE;
}

/* Returns the record of a span, which must still be kept. */
static const struct acct_span *
span_of(const struct acct *a, uint64_t number)
{
	uint64_t at = number % span_room(a);
	const struct acct_span *page = a->pages[a->span_first + at / ACCT_SPANS_PER_PAGE];

	return &page[at % ACCT_SPANS_PER_PAGE];
}

/* Ends a state whose time is kept as a span, and not charged to the exit's kind. */
static SLOW_PATH void
end_span(struct acct *a, enum vm_time next, uint64_t now)
{
	uint64_t ticks = now - a->since;

	a->time[a->state] += ticks;
	if (a->total)
		a->exit->away += ticks;
	*a->span = (struct acct_span){a->total, a->since, ticks, a->state};
	a->spans++;
	a->state = next;
	a->since = now;
	if ((uintptr_t)++a->span % PAGE_SIZE)
		return;
	if (++a->span_page == a->page_count)
		a->span_page = a->span_first;
	a->span = a->pages[a->span_page];
}

void
acct_switch(struct acct *a, enum vm_time next, uint64_t now)
{
	uint64_t ticks = now - a->since;

	if (a->state != VM_TIME_MONITOR || !a->total) {
		end_span(a, next, now);
		return;
	}
	a->time[VM_TIME_MONITOR] += ticks;
	a->exit->away += ticks;
	a->kinds[a->exit->kind]->monitor += ticks;
	a->state = next;
	a->since = now;
}

uint64_t
acct_time(const struct acct *a, enum vm_time t, uint64_t now)
{
	if (t == a->state && t != VM_TIME_HANDLER)
		return a->time[t] + (now - a->since);
	return a->time[t];
}

void
acct_add_stats(const struct acct *a, struct vm_stats *out, uint64_t now)
{
	uint64_t uncharged = 0;

	for (unsigned int i = 0; i < HV_EXIT_KINDS; i++) {
		const struct acct_kind *k = a->kinds[i];
		uint64_t max = k->longest ? k->longest : k->max;

		if (k->min != UINT64_MAX && (!out->count[i] || k->min < out->min[i]))
			out->min[i] = k->min;
		if (max > out->max[i])
			out->max[i] = max;
		out->count[i] += k->count;
		out->cycles[i] += k->cycles;
		out->monitor[i] += k->monitor;
	}
	if (a->state == VM_TIME_MONITOR && a->total)
		out->monitor[a->exit->kind] += now - a->since;
	if (a->state == VM_TIME_HANDLER) { /* not charged yet */
		uncharged = now - a->exit->tsc;
		out->cycles[a->exit->kind] += uncharged;
	}
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		out->time[t] += acct_time(a, t, now);
	out->time[VM_TIME_HANDLER] += uncharged;
	out->total += a->total;
	out->total_cycles += a->time[VM_TIME_HANDLER] + uncharged;
	out->wall += now - a->created;
	out->vmreads += a->vmreads;
	out->vmwrites += a->vmwrites;
}

void
acct_add_histogram(const struct acct *a, enum hv_exit_kind kind, uint64_t buckets[VM_BUCKETS])
{
	for (unsigned int i = 0; i < VM_BUCKETS; i++)
		buckets[i] += a->kinds[kind]->histogram[i];
}

/* Adds a row to the row with the same key, or to a new one; to overflow if there are too many. */
static void
add_key(struct vm_keys *out, const struct vm_key *row)
{
	struct vm_key *to = &out->overflow;
	unsigned int i = 0;

	while (i < out->rows && out->row[i].key != row->key)
		i++;
	if (i < VM_KEYS_MAX)
		to = &out->row[i];
	if (i == out->rows && i < VM_KEYS_MAX) {
		*to = (struct vm_key){.key = row->key};
		out->rows++;
	}
	to->count += row->count;
	to->cycles += row->cycles;
}

void
acct_add_keys(const struct acct *a, enum hv_exit_kind kind, struct vm_keys *out)
{
	const struct acct_keys *keys = a->kinds[kind]->keys;

	if (!keys)
		return;
	for (unsigned int s = 0; s < ACCT_SETS; s++)
		for (unsigned int w = 0; w < ACCT_WAYS; w++)
			if (keys->row[s][w].count)
				add_key(out, &keys->row[s][w]);
	out->overflow.count += keys->overflow.count;
	out->overflow.cycles += keys->overflow.cycles;
}

/* Returns the sub-key of an exit. */
static uint64_t
key_of(const struct hv_exit *x)
{
	switch (x->kind) {
	case HV_EXIT_CPUID:
	case HV_EXIT_RDMSR:
	case HV_EXIT_WRMSR:
		return x->number;
	case HV_EXIT_IO_INSTRUCTION:
		return x->io.port;
	case HV_EXIT_EPT_VIOLATION:
		return x->mem.gpa;
	}
	return VM_KEY_NONE;
}

static uint64_t
trace_room(const struct acct *a)
{
	return (uint64_t)a->span_first * ACCT_EXITS_PER_PAGE;
}

/* Returns the record of an exit, which must still be kept. */
static const struct hv_exit *
record_of(const struct acct *a, uint64_t number)
{
	uint64_t at = number % trace_room(a);
	const struct hv_exit *page = a->pages[at / ACCT_EXITS_PER_PAGE];

	return &page[at % ACCT_EXITS_PER_PAGE];
}

bool
acct_trace(const struct acct *a, uint64_t number, struct vm_trace *out, uint64_t now)
{
	const struct hv_exit *x;

	if (number >= a->total)
		return false;
	if (a->total - number > trace_room(a))
		number = a->total - trace_room(a);
	x = record_of(a, number);
	*out = (struct vm_trace){
	        .number = number,
	        .tsc = x->tsc,
	        .rip = x->rip,
	        .qual = x->qual,
	        .key = key_of(x),
	        .cycles = x->cycles,
	        .raw = x->raw,
	        .kind = x->kind,
	        .action = x->action & ~HV_LEFT,
	};
	if (x->action & HV_LEFT)
		out->away = x->away;
	if (x == a->exit && a->state != VM_TIME_HANDLER)
		out->away += now - a->since;
	return true;
}

bool
acct_span(const struct acct *a, uint64_t number, struct vm_span *out, uint64_t now)
{
	bool open = a->state != VM_TIME_HANDLER && (a->state != VM_TIME_MONITOR || !a->total);
	struct acct_span span = {a->total, a->since, now - a->since, a->state};

	if (number >= a->spans + open)
		return false;
	if (number < a->spans) {
		if (a->spans - number > span_room(a))
			number = a->spans - span_room(a);
		span = *span_of(a, number);
	}
	*out = (struct vm_span){number, span.exits, span.tsc, span.ticks, span.state};
	return true;
}
