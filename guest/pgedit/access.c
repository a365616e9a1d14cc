#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/printf.h"

/*
 * Makes accesses and compares each with the model: its value or fault, and the accessed and dirty
 * bits that it leaves ("marks" here).
 */

enum { VECTOR_DONE = 0x30, VA_TRIES = 8 };

/* The bytes mean the same in 32-bit and in 64-bit mode. */
const uint8_t pg_code[PG_KINDS][PG_CODE_BYTES] = {
        [PG_READ] = {0x8b, 0x07, 0xcd, 0x30},             /* mov (%rdi), %eax; int $0x30 */
        [PG_WRITE] = {0x89, 0x37, 0xcd, 0x30},            /* mov %esi, (%rdi) */
        [PG_SWAP] = {0x87, 0x37, 0x89, 0xf0, 0xcd, 0x30}, /* xchg %esi, (%rdi); mov %esi, %eax */
        [PG_FETCH] = {0xff, 0xe7},                        /* jmp *%rdi */
};

static const char *const kind_names[PG_KINDS] = {"read", "write", "exchange", "fetch"};

static bool
writes(const struct pg_access *a)
{
	return a->kind == PG_WRITE || a->kind == PG_SWAP;
}

/*
 * Returns a word of the image with the marks of an outcome.  *may gets marks that may be there or
 * not.
 */
static uint32_t
marked(const struct pg *t, const struct pg_outcome *o, uint64_t pa, uint32_t *may)
{
	uint32_t word = pg_word(t, pa);

	*may = 0;
	for (unsigned int i = 0; i < o->steps; i++) {
		if (o->step[i] != pa)
			continue;
		if (o->kind == PG_FAULT)
			*may |= PTE_A;
		else
			word |= PTE_A;
		if (o->dirty && i == o->steps - 1)
			word |= PTE_D;
	}
	return word;
}

static bool
word_fits(const struct pg *t, const struct pg_access *a, const struct pg_outcome *o, uint64_t pa)
{
	uint32_t may, word = marked(t, o, pa, &may);

	if (writes(a) && o->kind == PG_PAGE && o->pa == pa)
		return pg_real_word(t, pa) == a->value;
	return (pg_real_word(t, pa) | may) == (word | may);
}

/*
 * Returns true if every word that any outcome would change is as outcome *o leaves it.  Else *pa is
 * a word that is not.
 */
static bool
memory_fits(const struct pg *t, const struct pg_access *a, const struct pg_outcome *out,
            unsigned int n, const struct pg_outcome *o, uint64_t *pa)
{
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < out[i].steps; k++) {
			*pa = out[i].step[k];
			if (!word_fits(t, a, o, *pa))
				return false;
		}
		*pa = out[i].pa;
		if (out[i].kind == PG_PAGE && !word_fits(t, a, o, *pa))
			return false;
	}
	return true;
}

static bool
result_fits(const struct pg *t, const struct pg_access *a, const struct pg_outcome *o,
            const struct pg_result *r)
{
	uint32_t may;

	if (o->kind == PG_FAULT)
		return r->fault && r->vector == X86_PF && r->error == o->error &&
		       r->cr2 == pg_canonical(t, a->va);
	if (r->fault)
		return false;
	if (a->kind == PG_FETCH)
		return r->value == pg_stub_value(t, o->pa);
	return a->kind == PG_WRITE || r->value == marked(t, o, o->pa, &may);
}

static void
say_outcome(const struct pg *t, const struct pg_access *a, const struct pg_outcome *o, char *text,
            size_t size)
{
	uint32_t may;

	if (o->kind == PG_FAULT)
		snprintf(text, size, "#PF error %#x", o->error);
	else if (writes(a))
		snprintf(text, size, "physical %#llx", (unsigned long long)o->pa);
	else
		snprintf(text, size, "value %#x at physical %#llx",
		         a->kind == PG_FETCH ? pg_stub_value(t, o->pa) : marked(t, o, o->pa, &may),
		         (unsigned long long)o->pa);
}

static void
say_result(const struct pg_access *a, const struct pg_result *r, char *text, size_t size)
{
	if (r->fault)
		snprintf(text, size, "vector %u error %#llx CR2 %#llx", r->vector,
		         (unsigned long long)r->error, (unsigned long long)r->cr2);
	else if (a->kind == PG_WRITE)
		snprintf(text, size, "no fault");
	else
		snprintf(text, size, "value %#x", r->value);
}

/* Notes the failure as one line: the access, what the tables say, what came.  Returns false. */
static bool
fail(struct pg *t, const struct pg_access *a, const struct pg_outcome *out, unsigned int n,
     const struct pg_result *r)
{
	char expected[64], found[80], where[96] = "";
	uint64_t pa;
	uint32_t may;

	say_outcome(t, a, &out[0], expected, sizeof(expected));
	say_result(a, r, found, sizeof(found));
	if (result_fits(t, a, &out[0], r) && !memory_fits(t, a, out, n, &out[0], &pa))
		snprintf(where, sizeof(where), "; the word at %#llx is %#x, not %#x",
		         (unsigned long long)pa, pg_real_word(t, pa),
		         writes(a) && out[0].kind == PG_PAGE && out[0].pa == pa
		                 ? a->value
		                 : marked(t, &out[0], pa, &may));
	snprintf(t->failure, sizeof(t->failure), "%s %s%s of %#llx: expected %s%s, found %s%s",
	         a->user ? "user" : "supervisor", kind_names[a->kind], a->ac ? " with AC" : "",
	         (unsigned long long)pg_canonical(t, a->va), expected, n > 1 ? " or older" : "",
	         found, where);
	return false;
}

/*
 * Makes image and memory equal again.  After a single outcome without a fault, the image takes over
 * what the processor has done.  Otherwise all marks of all outcomes are set and all their words are
 * written, in both: what follows must not depend on which outcome it was.
 */
static void
settle(struct pg *t, const struct pg_access *a, const struct pg_outcome *out, unsigned int n)
{
	bool certain = n == 1 && out[0].kind == PG_PAGE;
	uint32_t may, word;

	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = 0; k < out[i].steps; k++) {
			word = marked(t, &out[i], out[i].step[k], &may) | may;
			if (certain)
				pg_set_word(t, out[i].step[k], word);
			else
				pg_put_word(t, out[i].step[k], word);
		}
	}
	for (unsigned int i = 0; writes(a) && i < n; i++) {
		if (out[i].kind != PG_PAGE)
			continue;
		pg_tlb_before(t, out[i].pa & ~(uint64_t)(t->format->entry_bytes - 1));
		if (certain)
			pg_set_word(t, out[i].pa, a->value);
		else
			pg_put_word(t, out[i].pa, a->value);
	}
}

static void
count(struct pg *t, const struct pg_access *a, const struct pg_outcome *out, unsigned int n)
{
	t->count.accesses[a->kind]++;
	if (n > 1)
		t->count.stale++;
	else if (out[0].kind == PG_FAULT && (out[0].error & PF_RSVD))
		t->count.reserved++;
	else if (out[0].kind == PG_FAULT && (out[0].error & PF_P))
		t->count.not_allowed++;
	else if (out[0].kind == PG_FAULT)
		t->count.not_present++;
}

/*
 * Makes the access and compares it with all outcomes.  *faulted: it faulted, though the tables
 * allow it.
 */
static bool
perform(struct pg *t, const struct pg_access *a, const struct pg_outcome *out, unsigned int n,
        bool *faulted)
{
	struct pg_result r;
	uint64_t pa;

	pg_machine_access(a, pg_canonical(t, a->va), &r);
	*faulted = r.fault && out[0].kind == PG_PAGE;
	for (unsigned int i = 0; i < n; i++) {
		if (result_fits(t, a, &out[i], &r) && memory_fits(t, a, out, n, &out[i], &pa)) {
			settle(t, a, out, n);
			return true;
		}
	}
	return fail(t, a, out, n, &r);
}

/* Returns true if an outcome leaves the pool, or if there were too many outcomes to list. */
static bool
has_wild(const struct pg_outcome *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (out[i].kind == PG_WILD)
			return true;
	return n == 0;
}

/* Returns true if no outcome reaches a table: only data is executed, and written at random. */
static bool
only_data(const struct pg *t, const struct pg_outcome *out, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		if (out[i].kind == PG_PAGE && t->level[pg_frame_at(t, out[i].pa)])
			return false;
	return true;
}

bool
pg_access(struct pg *t, struct pg_access *a)
{
	struct pg_outcome out[PG_OUTCOMES];
	unsigned int n = pg_outcomes(t, a, out);
	bool faulted;

	if (a->kind != PG_READ && !only_data(t, out, n)) {
		a->kind = PG_READ;
		n = pg_outcomes(t, a, out);
	}
	if (has_wild(out, n)) {
		t->count.skipped++;
		return true;
	}
	pg_note(t, kind_names[a->kind], pg_canonical(t, a->va), a->user, a->value);
	count(t, a, out, n);
	if (!perform(t, a, out, n, &faulted))
		return false;
	if (!faulted)
		return true;
	/* The fault has invalidated the entry that caused it, so it must not come again. */
	n = pg_outcomes(t, a, out);
	if (n == 0 || !perform(t, a, out, n, &faulted) || !faulted)
		return t->failure[0] == 0;
	snprintf(t->failure, sizeof(t->failure),
	         "%s of %#llx: faults again, but the tables allow it", kind_names[a->kind],
	         (unsigned long long)pg_canonical(t, a->va));
	return false;
}

bool
pg_write_through(struct pg *t, uint64_t va, uint64_t pa, uint32_t value, bool *done)
{
	struct pg_access a = {PG_WRITE, false, true, va, value};
	struct pg_outcome out[PG_OUTCOMES];
	unsigned int n = pg_outcomes(t, &a, out);
	bool faulted;

	*done = n == 1 && out[0].kind == PG_PAGE && out[0].pa == pa;
	if (!*done)
		return true;
	pg_note(t, "write of an entry", pg_canonical(t, va), pg_word(t, pa), value);
	return perform(t, &a, out, n, &faulted);
}

unsigned int
pg_random_index(struct pg *t, unsigned int level, uint64_t table)
{
	const uint16_t *index;
	unsigned int n = pg_indexes(t, level, &index), i = 0;

	for (unsigned int tries = 0; tries < VA_TRIES; tries++) {
		i = index[pg_below(t, n)];
		if (!table || (pg_entry(t, table + i * t->format->entry_bytes) & PTE_P))
			break;
	}
	return i;
}

uint64_t
pg_random_va(struct pg *t, uint64_t path[PG_LEVELS + 1])
{
	uint64_t table = pg_frame_pa(t, t->root), va = 0;
	bool focused = pg_chance(t, 1, 2);

	for (unsigned int level = t->format->levels; level > 0; level--) {
		uint64_t index =
		        focused ? t->focus >> pg_shift(t, level) & (BIT(t->format->index_bits) - 1)
		                : pg_random_index(t, level, table);
		uint64_t entry;

		va |= index << pg_shift(t, level);
		path[level] = table ? table + index * t->format->entry_bytes : 0;
		if (!table)
			continue;
		entry = pg_entry(t, path[level]);
		table = pg_table_pa(t, entry);
		if (!(entry & PTE_P) || pg_is_leaf(t, level, entry) ||
		    !pg_walks(t, level - 1, table))
			table = 0;
	}
	return va;
}

/* Returns an address that the processor holds, or held, a stale translation of. */
static uint64_t
recent_va(struct pg *t)
{
	unsigned int kept = t->recents < PG_RECENT ? t->recents : PG_RECENT;
	const struct pg_place *place = &t->recent[pg_below(t, kept)];
	uint64_t va = place->va;

	for (unsigned int level = place->below; level > 0; level--)
		va |= (uint64_t)t->low[pg_below(t, t->format->lows)] << pg_shift(t, level);
	return va;
}

bool
pg_random_access(struct pg *t)
{
	static const enum pg_kind kinds[] = {PG_READ,  PG_READ, PG_READ,  PG_WRITE,
	                                     PG_WRITE, PG_SWAP, PG_FETCH, PG_FETCH};
	struct pg_access a = {.kind = kinds[pg_below(t, ARRAY_SIZE(kinds))],
	                      .user = pg_chance(t, 1, 2),
	                      .value = pg_below(t, 1 << 30) << 1};
	uint64_t path[PG_LEVELS + 1];

	if (t->no_swap && a.kind == PG_SWAP)
		a.kind = PG_WRITE;
	a.ac = pg_chance(t, 1, 4) && !a.user;
	if (pg_chance(t, 1, 4) && t->recents)
		a.va = recent_va(t);
	else
		a.va = pg_random_va(t, path);
	if (a.kind == PG_FETCH)
		a.va |= PG_STUB;
	else if (pg_chance(t, 1, 2))
		a.va |= (uint64_t)t->low[pg_below(t, t->format->lows)] * t->format->entry_bytes;
	else
		a.va |= pg_below(t, PG_STUB / 4) * 4;
	return pg_access(t, &a);
}
