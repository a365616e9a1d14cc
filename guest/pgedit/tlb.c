#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * What the processor may hold beside the tables (SDM vol. 3, "Caching Translation Information").
 *
 * Before an entry changes, the model notes every translation through it that may be cached: of a
 * page or of a table, with all entries on its way present and accessed, whether it was used or not.
 * A cached table gives further translations, by what its entries say now.  An operation that
 * invalidates drops notes.
 */

/* Which translations to note. */
struct search {
	struct pg *t;
	uint64_t at;      /* physical address of an entry: note the translations through it */
	bool all;         /* note all translations */
	bool only_global; /* note those of global pages only */
};

static bool
covers(const struct pg *t, const struct pg_stale *s, unsigned int level, uint64_t va)
{
	return (s->va ^ va) >> pg_shift(t, level) == 0;
}

static bool
same(const struct pg_stale *a, const struct pg_stale *b)
{
	return a->va == b->va && a->pa == b->pa && a->level == b->level &&
	       a->rights.writable == b->rights.writable && a->rights.user == b->rights.user &&
	       a->rights.no_execute == b->rights.no_execute && a->dirty == b->dirty &&
	       a->global == b->global;
}

static void
add(struct pg *t, struct pg_stale *list, unsigned int *count, unsigned int max,
    const struct pg_stale *s)
{
	for (unsigned int i = 0; i < *count; i++)
		if (same(&list[i], s))
			return;
	t->recent[t->recents++ % PG_RECENT] =
	        (struct pg_place){s->va, list == t->page ? s->level - 1 : s->level};
	if (*count == max)
		t->full = true;
	else
		list[(*count)++] = *s;
}

static void
note_page(const struct search *s, struct pg_stale stale, uint64_t entry)
{
	struct pg *t = s->t;

	stale.pa = pg_leaf_pa(t, stale.level, entry);
	stale.dirty = entry & PTE_D;
	stale.global = (entry & PTE_G) && t->is.pge;
	if (stale.global || !s->only_global)
		add(t, t->page, &t->pages, PG_PAGES, &stale);
}

/* Returns true if the processor may cache an entry: its accessed bit must be set. */
static bool
cacheable(const struct pg *t, unsigned int level, uint64_t entry)
{
	return (entry & PTE_P) && !(entry & pg_reserved(t, level, entry)) &&
	       ((entry & PTE_A) || !pg_has_rights(t, level));
}

/*
 * Visits all that a table maps and notes what is searched for.  through: the way to the table leads
 * through the entry in question.
 */
static void
visit(const struct search *s, unsigned int level, uint64_t table, uint64_t va,
      struct pg_rights rights, bool through)
{
	struct pg *t = s->t;
	const uint16_t *index;
	unsigned int n = pg_indexes(t, level, &index);

	if (!pg_walks(t, level, table))
		return;
	for (unsigned int i = 0; i < n; i++) {
		uint64_t at = table + (uint64_t)index[i] * t->format->entry_bytes;
		uint64_t entry = pg_entry(t, at);
		struct pg_stale stale = {.va = va | (uint64_t)index[i] << pg_shift(t, level),
		                         .level = level};
		bool noted = s->all || through || at == s->at;

		if (!cacheable(t, level, entry))
			continue;
		stale.rights = pg_narrow(t, rights, level, entry);
		if (pg_is_leaf(t, level, entry)) {
			if (noted)
				note_page(s, stale, entry);
			continue;
		}
		stale.pa = pg_table_pa(t, entry);
		stale.level = level - 1;
		if (noted && !s->only_global)
			add(t, t->table, &t->part_tables, PG_TABLES, &stale);
		visit(s, level - 1, stale.pa, stale.va, stale.rights, noted);
	}
}

static void
visit_cached_tables(const struct search *s)
{
	struct pg *t = s->t;

	for (unsigned int i = 0, n = t->part_tables; i < n; i++) {
		struct pg_stale from = t->table[i];

		visit(s, from.level, from.pa, from.va, from.rights, false);
	}
}

static void
visit_root(const struct search *s)
{
	struct pg *t = s->t;

	visit(s, t->format->levels, pg_frame_pa(t, t->root), 0, pg_all_rights, false);
}

void
pg_tlb_before(struct pg *t, uint64_t at)
{
	struct search s = {.t = t, .at = at};

	if (!(pg_entry(t, at) & PTE_P))
		return;
	visit_cached_tables(&s);
	visit_root(&s);
}

/* Drops the noted pages for which gone() returns true. */
static void
drop_pages(struct pg *t, bool (*gone)(const struct pg *t, const struct pg_stale *s, uint64_t va),
           uint64_t va)
{
	unsigned int left = 0;

	for (unsigned int i = 0; i < t->pages; i++)
		if (!gone(t, &t->page[i], va))
			t->page[left++] = t->page[i];
	t->pages = left;
}

static bool
at_address(const struct pg *t, const struct pg_stale *s, uint64_t va)
{
	return covers(t, s, s->level, va);
}

static bool
not_global(const struct pg *t, const struct pg_stale *s, uint64_t va)
{
	(void)t;
	(void)va;
	return !s->global;
}

void
pg_flush_page(struct pg *t, uint64_t va)
{
	struct search all = {.t = t, .all = true};

	/* INVLPG drops cached tables, but not the pages that came from them. */
	visit_cached_tables(&all);
	t->part_tables = 0;
	drop_pages(t, at_address, va);
	invlpg(pg_canonical(t, va));
	if (t->code_stays)
		write_cr3(read_cr3());
	t->count.flushes++;
	pg_note(t, "INVLPG", pg_canonical(t, va), 0, 0);
}

void
pg_load_root(struct pg *t, unsigned int frame)
{
	struct search global = {.t = t, .all = true, .only_global = true};

	visit_cached_tables(&global);
	visit_root(&global);
	t->part_tables = 0;
	drop_pages(t, not_global, 0);
	t->root = frame;
	write_cr3(pg_frame_pa(t, frame));
	t->count.flushes++;
	pg_note(t, "MOV CR3", pg_frame_pa(t, frame), 0, 0);
}

void
pg_flush_all(struct pg *t)
{
	struct pg_mode off = t->is;

	off.pge = false;
	t->part_tables = 0;
	t->pages = 0;
	t->full = false;
	if (t->is.pge) {
		pg_machine_mode(&off);
		pg_machine_mode(&t->is);
	} else {
		write_cr3(pg_frame_pa(t, t->root));
	}
	t->count.flushes++;
	pg_note(t, "flush of all", 0, 0, 0);
}

/* Returns true if the list holds an outcome that is the same in every respect. */
static bool
listed(const struct pg_outcome *out, unsigned int n, const struct pg_outcome *o)
{
	for (unsigned int i = 0; i < n; i++) {
		bool equal = out[i].kind == o->kind && out[i].error == o->error &&
		             out[i].pa == o->pa && out[i].steps == o->steps &&
		             out[i].dirty == o->dirty;

		for (unsigned int k = 0; equal && k < o->steps; k++)
			equal = out[i].step[k] == o->step[k];
		if (equal)
			return true;
	}
	return false;
}

/*
 * Finds the outcome of an access through a cached page, which reads and marks no entry.  Returns
 * false if the processor must walk, to set the dirty bit.
 */
static bool
through_page(const struct pg *t, const struct pg_stale *s, const struct pg_access *a,
             struct pg_outcome *o)
{
	bool write = a->kind == PG_WRITE || a->kind == PG_SWAP;

	*o = (struct pg_outcome){.error = pg_denied(t, s->rights, a)};
	o->kind = o->error ? PG_FAULT : PG_PAGE;
	if (o->error)
		return true;
	o->pa = s->pa | (a->va & (BIT(pg_shift(t, s->level)) - 1));
	if (pg_frame_at(t, o->pa) < 0)
		o->kind = PG_WILD;
	return !write || s->dirty;
}

/*
 * Drops the marks of an outcome that are set already: outcomes that differ in these only are the
 * same.
 */
static void
without_old_marks(const struct pg *t, struct pg_outcome *o)
{
	uint64_t last = o->steps ? o->step[o->steps - 1] : 0;
	unsigned int left = 0;

	if (o->dirty && (pg_word(t, last) & PTE_D) && (pg_word(t, last) & PTE_A))
		o->dirty = false;
	for (unsigned int i = 0; i < o->steps; i++)
		if (!(pg_word(t, o->step[i]) & PTE_A) || (o->dirty && o->step[i] == last))
			o->step[left++] = o->step[i];
	o->steps = left;
}

unsigned int
pg_outcomes(struct pg *t, const struct pg_access *a, struct pg_outcome *out)
{
	struct pg_outcome o;
	unsigned int n = 0;

	if (t->full)
		pg_flush_all(t); /* there are too many notes for the model */
	pg_walk(t, t->format->levels, pg_frame_pa(t, t->root), pg_all_rights, a, &out[n++]);
	without_old_marks(t, &out[0]);
	for (unsigned int i = 0; i < t->part_tables + t->pages; i++) {
		const struct pg_stale *s =
		        i < t->part_tables ? &t->table[i] : &t->page[i - t->part_tables];
		bool table = i < t->part_tables;

		if (!covers(t, s, s->level + table, a->va))
			continue;
		if (table)
			pg_walk(t, s->level, s->pa, s->rights, a, &o);
		else if (!through_page(t, s, a, &o))
			continue;
		without_old_marks(t, &o);
		if (listed(out, n, &o))
			continue;
		if (n == PG_OUTCOMES)
			return 0;
		out[n++] = o;
	}
	return n;
}
