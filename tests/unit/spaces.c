#include "tests/unit/ram.h"

#include <string.h>

#include "kern/mem/tlb.h"
#include "tests/unit/spaces.h"

struct cell cells[CELLS];
struct space spaces[SPACES];

unsigned int
cell_new(uint64_t value)
{
	unsigned int i = 1;

	while (cells[i].refs)
		assert_true(++i < CELLS);
	cells[i] = (struct cell){value, 1};
	return i;
}

void
model_clear(struct model *m)
{
	if (m->cell)
		cells[m->cell].refs--;
	*m = (struct model){0};
}

static void
forget(struct frame seen[WINDOW_PAGES], uint64_t va, uint64_t size)
{
	for (unsigned int i = 0; i < WINDOW_PAGES; i++)
		if (page_va(i) < va + size && va < page_va(i) + PAGE_SIZE)
			seen[i].size = 0;
}

/* The TLBs.  A flush must come after tlb_hold(): this CPU's TLB loses the range, the others lose
 * all. */
void
tlb_hold(struct aspace *as)
{
	as->held = true;
}

void
tlb_flush(struct aspace *as, uint64_t va, uint64_t size)
{
	assert_true(as->held);
	as->held = false;
	for (struct space *s = spaces; s < spaces + SPACES; s++) {
		if (s->as != as)
			continue;
		forget(s->tlb[0], va, size);
		for (int cpu = 1; cpu < CPUS; cpu++)
			forget(s->tlb[cpu], 0, ULIM);
	}
}

void
tlb_forget(const struct aspace *as)
{
	for (struct space *s = spaces; s < spaces + SPACES; s++)
		if (s->as == as)
			memset(s->tlb, 0, sizeof(s->tlb));
}

bool
tlb_loaded(const struct aspace *as)
{
	for (struct space *s = spaces; s < spaces + SPACES; s++)
		for (unsigned int i = 0; s->as == as && i < CPUS * WINDOW_PAGES; i++)
			if (s->tlb[i / WINDOW_PAGES][i % WINDOW_PAGES].size)
				return true;
	return false;
}

/* The watcher forgets the frames of the range. */
static void
narrow(struct aspace_watcher *w, uint64_t va, uint64_t size)
{
	forget(((struct space *)((char *)w - offsetof(struct space, watcher)))->seen, va, size);
}

static void
protect_seen(struct aspace_watcher *w)
{
	struct space *s = (struct space *)((char *)w - offsetof(struct space, watcher));

	for (unsigned int i = 0; i < WINDOW_PAGES; i++)
		s->seen[i].writable = false;
}

void
space_create(struct space *s)
{
	s->as = aspace_create();
	if (!s->as)
		return;
	s->watcher.narrow = narrow;
	s->watcher.protect = protect_seen;
	aspace_watch(s->as, &s->watcher);
}

void
space_drop(struct space *s)
{
	aspace_unwatch(s->as, &s->watcher);
	aspace_put(s->as);
	s->as = NULL;
	for (unsigned int i = 0; i < WINDOW_PAGES; i++) {
		model_clear(&s->page[i]);
		s->seen[i].size = 0;
	}
}
