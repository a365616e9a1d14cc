#ifndef NESTLING_KERN_MEM_PT_H
#define NESTLING_KERN_MEM_PT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Page tables: one walker for the host's tables, EPT and NPT, which differ
 * only in masks.  Needs the page allocator, kva() and step() and nothing else, so
 * that it is tested natively too.  One user at a time, looking up included: where
 * CPUs share a table, they do so under the kernel lock.
 *
 * Levels: 1 maps 4 KiB, 2 maps 2 MiB, 3 maps 1 GiB, 4 is the root.
 */
typedef uint64_t pte_t;

struct pt_format {
	const char *name;
	uint64_t present; /* an entry is present when any of these bits is set */
	uint64_t table;   /* bits of an entry that points to a table */
	uint64_t large;   /* set in a leaf above level 1 */
	uint64_t write;   /* set in a leaf that may be written through */
	uint64_t leaf;    /* set in each leaf of a nested page table; see pt_leaf() */
};

/* The leaf of a nested page table that maps a frame at pa (hpa): 2 MiB if large, else 4 KiB. */
static inline pte_t
pt_leaf(const struct pt_format *fmt, uint64_t pa, bool writable, bool large)
{
	return pa | fmt->leaf | (writable ? fmt->write : 0) | (large ? fmt->large : 0);
}

extern const struct pt_format pt_host; /* the CPU's own tables */

struct pt {
	const struct pt_format *fmt;
	uint64_t root;     /* hpa */
	uint64_t tables;   /* table pages, the root included */
	uint64_t promised; /* pages that are set aside for tables to come: pt_promise() */
	/*
	 * The level-1 table where the last walk ended, and which 2 MiB it maps (the address in
	 * units of that); PT_NO_REGION: none.  It stays right as long as no table is freed, for
	 * an entry that points to a table changes only then.
	 */
	uint64_t last_region;
	pte_t *last_table;
};
#define PT_NO_REGION UINT64_MAX

enum { PT_LEVELS = 4, PT_ENTRIES = 512 };

/* Bytes that one entry of a level maps. */
static inline uint64_t
pt_span(int level)
{
	return 1ull << (12 + 9 * (level - 1));
}

static inline unsigned int
pt_index(uint64_t va, int level)
{
	return va >> (12 + 9 * (level - 1)) & 0x1ff;
}

/* Allocates an empty root.  -E_NO_MEM. */
int pt_init(struct pt *pt, const struct pt_format *fmt);

/* va's entry in the table of the last walk; NULL: va is not there. */
static inline pte_t *
pt_nearby(const struct pt *pt, uint64_t va)
{
	return va / pt_span(2) == pt->last_region ? &pt->last_table[pt_index(va, 1)] : NULL;
}

/* pt_lookup() from the root. */
pte_t *pt_walk(struct pt *pt, uint64_t va, int *level);

/*
 * Walks to the entry that decides about va: a leaf, or the first entry that is
 * not present (it may hold a software marker).  *level tells where.
 */
static inline pte_t *
pt_lookup(struct pt *pt, uint64_t va, int *level)
{
	pte_t *entry = pt_nearby(pt, va);

	if (!entry)
		return pt_walk(pt, va, level);
	*level = 1;
	return entry;
}

/*
 * Makes tables down to `level` and returns va's entry there in *out.
 * -E_NO_MEM; -E_EXISTS when a large leaf or a marker above is in the way.
 */
int pt_ensure(struct pt *pt, uint64_t va, int level, pte_t **out);

/*
 * Promises: pt_promise() sets n pages aside for tables of pt, or fails with -E_NO_MEM.  Only
 * pt_ensure_promised() and pt_split() take them, so that those cannot fail.  pt_unpromise() gives
 * promises back that nobody needs any more.
 */
int pt_promise(struct pt *pt, uint64_t n);
void pt_unpromise(struct pt *pt, uint64_t n);

/* pt_ensure() with promised pages.  Nothing is in the way: panics otherwise. */
pte_t *pt_ensure_promised(struct pt *pt, uint64_t va, int level);

/*
 * Replaces the level-2 entry *entry (a large leaf, or a software marker) by a table of 512
 * entries: for a leaf the same frame in 4 KiB steps with the same bits, for a marker 512 copies.
 * The table takes one promised page.
 */
void pt_split(struct pt *pt, pte_t *entry);

/*
 * Calls fn for each entry in [start, end) that is not zero and is not a table:
 * leaves and markers.  A non-zero result of fn ends the walk and is returned.
 * fn may change or clear the entry, or pt_split it (the walk then goes on behind it).
 */
typedef int (*pt_visit_t)(void *arg, uint64_t va, int level, pte_t *entry);
int pt_visit(struct pt *pt, uint64_t start, uint64_t end, pt_visit_t fn, void *arg);

/*
 * The same under root entries [first, last], below the upper half, but a level-1 table goes to
 * `table` whole, with the address that it begins at.
 */
struct pt_visitor {
	pt_visit_t leaf;
	int (*table)(void *arg, uint64_t va, pte_t table[PT_ENTRIES]);
	void *arg;
};
int pt_visit_tables(struct pt *pt, unsigned int first, unsigned int last,
                    const struct pt_visitor *v);

/* Takes the right to write from all leaves. */
void pt_protect(struct pt *pt);

/* Frees tables below [start, end) that have become empty. */
void pt_prune(struct pt *pt, uint64_t start, uint64_t end);

/*
 * Frees all tables under root entries [first, last] and, with free_root, the root and the
 * promises.  Leaves are the caller's.
 */
void pt_free(struct pt *pt, unsigned int first, unsigned int last, bool free_root);

#endif
