#include "kern/mem/aspace.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "kern/mem/pmap.h"
#include "kern/mem/tlb.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/string.h"

/*
 * Address spaces: mapping, unmapping, copying.  Faults are in kern/mem/fault.c.
 *
 * Promises of pages are counted by entry.  Dropping an entry gives back exactly
 * what nobody needs any more:
 *   zero marker, 4 KiB          1, for its page
 *   zero marker, 2 MiB          FRAME_PAGES
 *   copy-on-write, 4 KiB        1 if somebody else refers to the page
 *   copy-on-write, 2 MiB        1 for each page that somebody else refers to
 * Thus n sharers of a page hold n - 1 promises, and the last needs none.
 *
 * Besides, as->pt holds a promised table for each 2 MiB entry, whatever it maps,
 * so that splitting an entry never fails.
 */

static struct aspace aspaces[ENV_MAX];

void
aspace_narrow(struct aspace *as, uint64_t va, uint64_t size)
{
	tlb_hold(as);
	for (struct aspace_watcher *w = as->watchers; w; w = w->next)
		w->narrow(w, va, size);
}

void
aspace_watch(struct aspace *as, struct aspace_watcher *w)
{
	w->next = as->watchers;
	as->watchers = w;
}

void
aspace_unwatch(struct aspace *as, struct aspace_watcher *w)
{
	struct aspace_watcher **link = &as->watchers;

	while (*link != w) {
		assert(*link);
		link = &(*link)->next;
	}
	*link = w->next;
}

struct aspace *
aspace_create(void)
{
	struct aspace *as = aspaces;
	const unsigned int half = PT_ENTRIES / 2;
	uint64_t *root;

	while (as->refs)
		if (++as == aspaces + ENV_MAX)
			return NULL;
	if (pt_init(&as->pt, &pt_host) < 0)
		return NULL;
	root = kva(as->pt.root);
	memcpy(root + half, (uint64_t *)kva(kernel_pt.root) + half, half * sizeof *root);
	as->refs = 1;
	as->pages = 0;
	return as;
}

const struct aspace *
aspace_at(unsigned int index)
{
	return aspaces[index].refs ? &aspaces[index] : NULL;
}

void
aspace_get(struct aspace *as)
{
	as->refs++;
}

static uint64_t
entry_pages(int level)
{
	return level == 2 ? FRAME_PAGES : 1;
}

/* How many pages an entry holds promises for. */
static uint64_t
entry_promises(pte_t e, int level)
{
	const struct page *p;

	if (!(e & PTE_P))
		return entry_pages(level);
	if (!(e & PTE_COW))
		return 0;
	p = pa_page(e & PTE_ADDR);
	return level == 2 ? page_shared_large(p) : !page_exclusive(p);
}

/* Promises n pages to a new entry, and to one of 2 MiB its table.  -E_NO_MEM. */
static int
promise(struct aspace *as, int level, uint64_t n)
{
	int err = level == 2 ? pt_promise(&as->pt, 1) : 0;

	if (err)
		return err;
	err = page_reserve(n);
	if (err && level == 2)
		pt_unpromise(&as->pt, 1);
	return err;
}

/* Clears an entry and lets go of what it holds. */
static int
drop_entry(void *arg, uint64_t va, int level, pte_t *entry)
{
	struct aspace *as = arg;
	pte_t e = *entry;

	(void)va;
	*entry = 0;
	page_unreserve(entry_promises(e, level));
	if (level == 2)
		pt_unpromise(&as->pt, 1);
	if (!(e & PTE_P))
		return 0;
	as->pages -= entry_pages(level);
	if (level == 2)
		page_unref_large(pa_page(e & PTE_ADDR));
	else
		page_unref(pa_page(e & PTE_ADDR));
	return 0;
}

static int
drop_table(void *arg, uint64_t va, pte_t *table)
{
	for (int i = 0; i < PT_ENTRIES; i++) {
		step(STEP_SMALL);
		if (table[i])
			drop_entry(arg, va + i * PAGE_SIZE, 1, &table[i]);
	}
	return 0;
}

void
aspace_put(struct aspace *as)
{
	const struct pt_visitor drop = {drop_entry, drop_table, as};

	assert(as->refs);
	if (--as->refs)
		return;
	assert(!as->watchers);
	tlb_forget(as);
	assert(!tlb_loaded(as));
	pt_visit_tables(&as->pt, 0, PT_ENTRIES / 2 - 1, &drop);
	assert(!as->pages && !as->pt.promised);
	pt_free(&as->pt, 0, PT_ENTRIES / 2 - 1, true);
}

static bool
range_valid(uint64_t va, uint64_t size)
{
	return !((va | size) & (PAGE_SIZE - 1)) && size && va >= USER_BASE && va < USER_END &&
	       size <= USER_END - va;
}

static bool
perm_valid(uint64_t perm)
{
	return !(perm & ~(PTE_W | PTE_NX | PTE_SHARE | PTE_COW)) &&
	       (!(perm & (PTE_W | PTE_COW)) || (perm & PTE_NX)) &&
	       (perm & (PTE_W | PTE_COW)) != (PTE_W | PTE_COW);
}

void
aspace_split(struct aspace *as, pte_t *entry)
{
	pte_t e = *entry;
	struct page *head;

	pt_split(&as->pt, entry);
	if (!(e & PTE_P))
		return;
	head = pa_page(e & PTE_ADDR);
	for (int i = 0; i < FRAME_PAGES; i++)
		page_ref(&head[i]);
	page_unref_large(head);
}

/* Splits the 2 MiB entry, if there is one, that reaches from below va to above. */
static void
split_at(struct aspace *as, uint64_t va)
{
	int level;
	pte_t *entry;

	if (!(va & (LARGE_PAGE_SIZE - 1)))
		return;
	entry = pt_lookup(&as->pt, va, &level);
	if (*entry && level == 2)
		aspace_split(as, entry);
}

int
aspace_unmap(struct aspace *as, uint64_t va, uint64_t size)
{
	if (!range_valid(va, size))
		return -E_INVAL;
	split_at(as, va);
	split_at(as, va + size);
	aspace_narrow(as, va, size);
	pt_visit(&as->pt, va, va + size, drop_entry, as);
	pt_prune(&as->pt, va, va + size);
	tlb_flush(as, va, size);
	return 0;
}

static int
occupied(void *arg, uint64_t va, int level, pte_t *entry)
{
	(void)arg;
	(void)va;
	(void)level;
	(void)entry;
	return -E_EXISTS;
}

/* One marker at va, of 2 MiB if that fits in and no table is there yet.  Returns its size. */
static int
map_marker(struct aspace *as, uint64_t va, uint64_t size, uint64_t perm)
{
	bool fits = !(va & (LARGE_PAGE_SIZE - 1)) && size >= LARGE_PAGE_SIZE;
	int level = fits ? 2 : 1;
	pte_t marker = PTE_ZERO | perm;
	pte_t *entry;
	int err = pt_ensure(&as->pt, va, level, &entry);

	if (!err && *entry) { /* a table: the range itself is known to be empty */
		level = 1;
		err = pt_ensure(&as->pt, va, level, &entry);
	}
	if (!err)
		err = promise(as, level, entry_pages(level));
	if (err)
		return err;
	*entry = marker;
	return pt_span(level);
}

int
aspace_map_zero(struct aspace *as, uint64_t va, uint64_t size, uint64_t perm)
{
	uint64_t done = 0;
	int n;

	if (!range_valid(va, size) || !perm_valid(perm) || (perm & (PTE_SHARE | PTE_COW)))
		return -E_INVAL;
	n = pt_visit(&as->pt, va, va + size, occupied, NULL);
	if (n < 0)
		return n;
	while (done < size) {
		step(STEP_SMALL);
		n = map_marker(as, va + done, size - done, perm);
		if (n < 0) {
			/* No CPU has seen the markers, but some may know of the tables. */
			aspace_narrow(as, va, size);
			pt_visit(&as->pt, va, va + done, drop_entry, as);
			pt_prune(&as->pt, va, va + size);
			tlb_flush(as, va, size);
			return n;
		}
		done += n;
	}
	return 0;
}

int
aspace_map_page(struct aspace *as, uint64_t va, struct page *p, uint64_t perm)
{
	pte_t *entry;
	int err;

	step(STEP_SMALL); /* a file has many */
	if (!range_valid(va, PAGE_SIZE) || !perm_valid(perm))
		return -E_INVAL;
	err = pt_ensure(&as->pt, va, 1, &entry);
	if (!err && *entry)
		err = -E_EXISTS;
	if (!err && (perm & PTE_COW))
		err = page_reserve(1);
	if (err)
		return err;
	page_ref(p);
	*entry = page_pa(p) | perm | PTE_P | PTE_U;
	as->pages++;
	return 0;
}

/*
 * A copy makes what is private copy-on-write on both sides, and so each page has a new sharer.
 */
static bool
is_private(pte_t e)
{
	return (e & PTE_P) && (e & (PTE_W | PTE_COW)) && !(e & PTE_SHARE);
}

static pte_t
copy_on_write(pte_t e)
{
	return (e & ~(pte_t)PTE_W) | PTE_COW;
}

/* A frame or a marker of 2 MiB. */
static int
copy_large(void *arg, uint64_t va, int level, pte_t *entry)
{
	struct aspace *dst = arg;
	uint64_t promises = 0;
	pte_t *copy;
	int err = pt_ensure(&dst->pt, va, level, &copy);

	if (err)
		return err;
	if (!(*entry & PTE_P))
		promises = entry_promises(*entry, level);
	else if (is_private(*entry))
		promises = entry_pages(level);
	err = promise(dst, level, promises);
	if (err)
		return err;
	if (is_private(*entry))
		*entry = copy_on_write(*entry);
	*copy = *entry;
	if (!(*entry & PTE_P))
		return 0;
	dst->pages += FRAME_PAGES;
	page_ref_large(pa_page(*entry & PTE_ADDR));
	return 0;
}

/* Does a copy of this 4 KiB entry hold a promise? */
static bool
is_promise(pte_t e)
{
	return e && (!(e & PTE_P) || is_private(e));
}

/* Promises for as many as all entries could need, or, where memory is short, for those that do. */
static int
reserve_table(const pte_t *table, uint64_t *reserved)
{
	*reserved = PT_ENTRIES;
	if (page_reserve(*reserved) == 0)
		return 0;
	*reserved = 0;
	for (int i = 0; i < PT_ENTRIES; i++)
		*reserved += is_promise(table[i]);
	return page_reserve(*reserved);
}

/* All of a level-1 table: what a copy costs for each page is what this loop costs. */
static int
copy_table(void *arg, uint64_t va, pte_t *table)
{
	struct aspace *dst = arg;
	uint64_t reserved, empty = 0, markers = 0, shared = 0;
	pte_t *entry = NULL;
	int err = pt_ensure(&dst->pt, va, 1, &entry);
	pte_t *const copy = entry;

	if (!err)
		err = reserve_table(table, &reserved);
	if (err)
		return err;
	for (int i = 0; i < PT_ENTRIES; i++) {
		pte_t e = table[i];

		if ((e & (PTE_P | PTE_W | PTE_SHARE)) == (PTE_P | PTE_W)) {
			table[i] = e ^= PTE_W | PTE_COW;
		} else if (!(e & PTE_P)) {
			copy[i] = e;
			empty += !e;
			markers += !!e;
			continue;
		} else {
			shared += (e & (PTE_COW | PTE_SHARE)) != PTE_COW;
		}
		copy[i] = e;
		page_ref_again(e & PTE_ADDR);
	}
	dst->pages += PT_ENTRIES - empty - markers;
	page_unreserve(reserved - (PT_ENTRIES - empty - shared));
	step(STEP_LARGE);
	return 0;
}

int
aspace_copy(struct aspace *dst, struct aspace *src)
{
	const struct pt_visitor copy = {copy_large, copy_table, dst};
	int err;

	tlb_hold(src);
	for (struct aspace_watcher *w = src->watchers; w; w = w->next)
		w->protect(w);
	err = pt_visit_tables(&src->pt, 0, PT_ENTRIES / 2 - 1, &copy);
	tlb_flush(src, 0, ULIM);
	return err;
}

static int
count_shared(void *arg, uint64_t va, int level, pte_t *entry)
{
	uint64_t *shared = arg;
	const struct page *p;

	(void)va;
	if (!(*entry & PTE_P))
		return 0;
	p = pa_page(*entry & PTE_ADDR);
	*shared += level == 2 ? page_shared_large(p) : !page_exclusive(p);
	return 0;
}

uint64_t
aspace_shared(struct aspace *as, uint64_t va, uint64_t size)
{
	uint64_t shared = 0;

	pt_visit(&as->pt, va, va + size, count_shared, &shared);
	return shared;
}
