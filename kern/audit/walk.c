#include "kern/audit/audit.h"

#include "inc/x86.h"
#include "kern/step.h"

/*
 * The walk over page tables, which believes nothing that it reads: an entry leads to a table only
 * if there is RAM that belongs to the kernel and that no entry before it has led to.  So every
 * table is walked once, and the walk ends, whatever the tables say.
 */

static bool
is_table(const struct pt_format *fmt, pte_t e, int level)
{
	return level > 1 && (e & fmt->present) && !(e & fmt->large);
}

bool
audit_table(struct audit_walk *w, uint64_t pa)
{
	struct audit_frame *f = audit_frame(pa);
	uint16_t mine = w->pass == AUDIT_COUNT ? AUDITED_TABLE : AUDITED_CHECKED;
	bool sound = f && pa_page(pa)->kernel && !(f->flags & mine) &&
	             (w->pass == AUDIT_COUNT || (f->flags & AUDITED_TABLE));

	if (!sound) {
		if (w->pass == AUDIT_COUNT)
			audit_violation(AUDIT_TABLE, &w->site, pa);
		return false;
	}
	f->flags |= mine;
	if (w->pass == AUDIT_COUNT)
		f->refs++;
	w->tables++;
	return true;
}

/* The level-1 table that maps va, or 0. */
static uint64_t
table_at(const struct pt *pt, uint64_t va)
{
	uint64_t pa = pt->root;

	for (int level = PT_LEVELS; level > 1; level--) {
		const struct audit_frame *f = audit_frame(pa);
		pte_t e;

		if (!f || !(f->flags & AUDITED_TABLE))
			return 0;
		e = ((const pte_t *)kva(pa))[pt_index(va, level)];
		if (!is_table(pt->fmt, e, level))
			return 0;
		pa = e & PTE_ADDR;
	}
	return pa;
}

/* What pt_lookup() takes without a walk must be what a walk finds. */
static void
check_nearby(struct audit_walk *w)
{
	uint64_t region = w->pt->last_region;

	if (region == PT_NO_REGION)
		return;
	w->site.address = region * pt_span(2);
	if (kva_pa(w->pt->last_table) != table_at(w->pt, w->site.address))
		audit_violation(AUDIT_NEARBY, &w->site, kva_pa(w->pt->last_table));
}

void
audit_walk(struct audit_walk *w)
{
	const struct pt_format *fmt = w->pt->fmt;
	const pte_t *table[PT_LEVELS + 1];
	uint64_t va = w->start;
	unsigned int left = w->roots;
	int level = PT_LEVELS;

	w->site.address = va;
	if (!audit_table(w, w->pt->root))
		return;
	table[level] = kva(w->pt->root);
	while (left) {
		pte_t e = table[level][pt_index(va, level)];

		step(STEP_SMALL);
		w->site.address = va;
		if (is_table(fmt, e, level)) {
			if (audit_table(w, e & PTE_ADDR)) {
				table[--level] = kva(e & PTE_ADDR);
				continue;
			}
		} else if (e) {
			if (e & fmt->present) {
				w->leaves++;
				w->bytes += pt_span(level);
			}
			w->leaf(w, level, e);
		}
		va += pt_span(level);
		while (level < PT_LEVELS && !pt_index(va, level))
			level++;
		left -= level == PT_LEVELS;
	}
	if (w->pass == AUDIT_CHECK)
		check_nearby(w);
}

pte_t
audit_lookup(const struct pt *pt, uint64_t va, int *level)
{
	uint64_t pa = pt->root;

	for (*level = PT_LEVELS;; --*level) {
		const struct audit_frame *f = audit_frame(pa);
		pte_t e;

		if (!f || !(f->flags & AUDITED_TABLE))
			return 0;
		e = ((const pte_t *)kva(pa))[pt_index(va, *level)];
		if (!is_table(pt->fmt, e, *level))
			return e;
		pa = e & PTE_ADDR;
	}
}
