#include "kern/mem/pt.h"

#include <stddef.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/step.h"
#include "lib/assert.h"

/* SDM vol. 3, "4-Level Paging and 5-Level Paging".  Rights are decided by the leaves. */
const struct pt_format pt_host = {
        .name = "host",
        .present = PTE_P,
        .table = PTE_P | PTE_W | PTE_U,
        .large = PTE_PS,
        .write = PTE_W,
};

static bool
is_present(const struct pt_format *fmt, pte_t e)
{
	return e & fmt->present;
}

/* Does this entry of a level point to a table?  At level 1 the `large` bit means something else. */
static bool
is_table(const struct pt_format *fmt, pte_t e, int level)
{
	return level > 1 && is_present(fmt, e) && !(e & fmt->large);
}

static pte_t *
table_of(pte_t e)
{
	return kva(e & PTE_ADDR);
}

/* With PAGE_PROMISED in flags: one of the pages that pt_promise() has set aside. */
static struct page *
table_alloc(struct pt *pt, int flags)
{
	struct page *p;

	if (flags & PAGE_PROMISED) {
		assert(pt->promised);
		pt->promised--;
	}
	p = page_alloc(PAGE_ZERO | PAGE_KERNEL | flags);
	if (p)
		pt->tables++;
	return p;
}

static void
table_free(struct pt *pt, pte_t e)
{
	page_unref(pa_page(e & PTE_ADDR));
	pt->tables--;
	pt->last_region = PT_NO_REGION;
}

static void
remember(struct pt *pt, uint64_t va, pte_t *table)
{
	pt->last_region = va / pt_span(2);
	pt->last_table = table;
}

int
pt_init(struct pt *pt, const struct pt_format *fmt)
{
	struct page *root;

	*pt = (struct pt){.fmt = fmt, .last_region = PT_NO_REGION};
	root = table_alloc(pt, 0);
	if (!root)
		return -E_NO_MEM;
	pt->root = page_pa(root);
	return 0;
}

pte_t *
pt_walk(struct pt *pt, uint64_t va, int *level)
{
	const uint64_t present = pt->fmt->present, large = pt->fmt->large;
	pte_t *table = kva(pt->root);
	int l;

	for (l = PT_LEVELS; l > 1; l--) {
		pte_t *entry = &table[pt_index(va, l)];

		if (!(*entry & present) || (*entry & large)) {
			*level = l;
			return entry;
		}
		table = table_of(*entry);
	}
	remember(pt, va, table);
	*level = 1;
	return &table[pt_index(va, 1)];
}

/* Makes the tables above va's entry at a level, as pt_ensure() says; flags: for table_alloc(). */
static int
ensure(struct pt *pt, uint64_t va, int level, int flags, pte_t **out)
{
	pte_t *table = kva(pt->root);

	if (level == 1 && (*out = pt_nearby(pt, va)))
		return 0;
	for (int l = PT_LEVELS; l > level; l--) {
		pte_t *entry = &table[pt_index(va, l)];

		if (!*entry) {
			struct page *p = table_alloc(pt, flags);

			if (!p)
				return -E_NO_MEM;
			*entry = page_pa(p) | pt->fmt->table;
		} else if (!is_table(pt->fmt, *entry, l)) {
			return -E_EXISTS;
		}
		table = table_of(*entry);
	}
	if (level == 1)
		remember(pt, va, table);
	*out = &table[pt_index(va, level)];
	return 0;
}

int
pt_ensure(struct pt *pt, uint64_t va, int level, pte_t **out)
{
	return ensure(pt, va, level, 0, out);
}

int
pt_promise(struct pt *pt, uint64_t n)
{
	int err = page_reserve(n);

	if (!err)
		pt->promised += n;
	return err;
}

void
pt_unpromise(struct pt *pt, uint64_t n)
{
	assert(pt->promised >= n);
	pt->promised -= n;
	page_unreserve(n);
}

pte_t *
pt_ensure_promised(struct pt *pt, uint64_t va, int level)
{
	pte_t *entry;
	int err = ensure(pt, va, level, PAGE_PROMISED, &entry);

	assert(!err);
	return entry;
}

void
pt_split(struct pt *pt, pte_t *entry)
{
	struct page *p = table_alloc(pt, PAGE_PROMISED);
	pte_t *table = kva(page_pa(p));
	pte_t small = *entry, stride = 0;

	if (is_present(pt->fmt, small)) {
		small &= ~pt->fmt->large;
		stride = PAGE_SIZE;
	}
	for (int i = 0; i < PT_ENTRIES; i++)
		table[i] = small + i * stride;
	*entry = page_pa(p) | pt->fmt->table;
}

int
pt_visit(struct pt *pt, uint64_t start, uint64_t end, pt_visit_t fn, void *arg)
{
	uint64_t va = start;

	while (va < end) {
		int level, result;
		pte_t *entry = pt_lookup(pt, va, &level);

		/* Most of a table may be empty, which is no step. */
		if (va != start)
			step(STEP_LARGE);
		/* On through the same table, until one of its entries leads further down. */
		va = ROUND_DOWN(va, pt_span(level));
		do {
			if (*entry) {
				step(STEP_SMALL);
				result = fn(arg, va, level, entry);
				if (result)
					return result;
			}
			va += pt_span(level);
			if (!va) /* past the top of the address space */
				return 0;
			entry++;
		} while (va < end && pt_index(va, level) && !is_table(pt->fmt, *entry, level));
	}
	return 0;
}

/* Entries [first, last] of a table that maps from va on. */
static int
visit_tables(const struct pt_format *fmt, pte_t *table, int level, uint64_t va, unsigned int first,
             unsigned int last, const struct pt_visitor *v)
{
	for (unsigned int i = first; i <= last; i++) {
		uint64_t at = va + i * pt_span(level);
		int result;

		if (!table[i])
			continue;
		if (!is_table(fmt, table[i], level))
			result = v->leaf(v->arg, at, level, &table[i]);
		else if (level == 2)
			result = v->table(v->arg, at, table_of(table[i]));
		else
			result = visit_tables(fmt, table_of(table[i]), level - 1, at, 0,
			                      PT_ENTRIES - 1, v);
		if (result)
			return result;
	}
	return 0;
}

int
pt_visit_tables(struct pt *pt, unsigned int first, unsigned int last, const struct pt_visitor *v)
{
	return visit_tables(pt->fmt, kva(pt->root), PT_LEVELS, 0, first, last, v);
}

static void
protect(const struct pt_format *fmt, pte_t *table, int level)
{
	step(STEP_LARGE);
	for (int i = 0; i < PT_ENTRIES; i++) {
		if (is_table(fmt, table[i], level))
			protect(fmt, table_of(table[i]), level - 1);
		else
			table[i] &= ~fmt->write;
	}
}

void
pt_protect(struct pt *pt)
{
	protect(pt->fmt, kva(pt->root), PT_LEVELS);
}

static bool
is_empty(const pte_t *table)
{
	for (int i = 0; i < PT_ENTRIES; i++)
		if (table[i])
			return false;
	return true;
}

/* Prunes what lies below a table; [start, end) is cut to what the table maps. */
static void
prune(struct pt *pt, pte_t *table, int level, uint64_t start, uint64_t end)
{
	while (start < end) {
		pte_t *entry = &table[pt_index(start, level)];
		uint64_t next = ROUND_DOWN(start, pt_span(level)) + pt_span(level);

		if (is_table(pt->fmt, *entry, level)) {
			step(STEP_LARGE);
			prune(pt, table_of(*entry), level - 1, start, next < end ? next : end);
			if (is_empty(table_of(*entry))) {
				table_free(pt, *entry);
				*entry = 0;
			}
		}
		start = next;
	}
}

void
pt_prune(struct pt *pt, uint64_t start, uint64_t end)
{
	prune(pt, kva(pt->root), PT_LEVELS, start, end);
}

/* Frees the tables that entries [first, last] of a table point to, and theirs. */
static void
free_tables(struct pt *pt, pte_t *table, int level, unsigned int first, unsigned int last)
{
	for (unsigned int i = first; i <= last; i++) {
		if (!is_table(pt->fmt, table[i], level))
			continue;
		step(STEP_LARGE);
		free_tables(pt, table_of(table[i]), level - 1, 0, PT_ENTRIES - 1);
		table_free(pt, table[i]);
		table[i] = 0;
	}
}

void
pt_free(struct pt *pt, unsigned int first, unsigned int last, bool free_root)
{
	free_tables(pt, kva(pt->root), PT_LEVELS, first, last);
	if (free_root) {
		table_free(pt, pt->root);
		pt->root = 0;
		pt_unpromise(pt, pt->promised);
	}
}
