#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/printf.h"
#include "lib/string.h"

/*
 * A run of the test.  A round edits the tables, flushes the TLB or does not, makes accesses, and
 * compares memory with the image.
 */

enum {
	FIRST_MAPS = 40,
	EDITS_MAX = 3, /* in a round */
	ACCESSES_MAX = 4,
	FOCUS_TRIES = 8,
	INVLPG_MAX = 6,
	POOL_INDEX = 0xffff,
};

uint32_t
pg_below(struct pg *t, uint32_t n)
{
	t->random ^= t->random >> 12;
	t->random ^= t->random << 25;
	t->random ^= t->random >> 27;
	return (uint32_t)((t->random * 0x2545f4914f6cdd1d) >> 32) % n;
}

bool
pg_chance(struct pg *t, uint32_t in, uint32_t of)
{
	return pg_below(t, of) < in;
}

void
pg_note(struct pg *t, const char *what, uint64_t at, uint64_t before, uint64_t after)
{
	t->history[t->steps++ % PG_HISTORY] = (struct pg_step){what, at, before, after};
}

/* Replaces the stand-ins in a list of indexes: see struct pg_format. */
static void
resolve(const struct pg *t, const uint16_t *list, uint16_t *index)
{
	unsigned int of_pool = (unsigned int)(t->pool >> pg_shift(t, 2));

	for (unsigned int i = 0; i < PG_INDEXES; i++)
		index[i] = list[i] < POOL_INDEX - 1 ? list[i] : of_pool + POOL_INDEX - list[i];
}

static void
make_root(struct pg *t, unsigned int frame)
{
	uint64_t pa = pg_frame_pa(t, frame);
	uint8_t *root = t->memory + (size_t)(pa - t->pool);

	pg_make_table(t, frame, t->format->levels);
	pg_machine_root(root);
	memcpy(t->image[frame], root, PAGE_SIZE);
}

static bool
start(struct pg *t, uint32_t seed)
{
	t->seed = seed;
	t->random = (uint64_t)seed * 2 + 1;
	t->failure[0] = 0;
	t->count = (struct pg_counts){0};
	t->root = t->tables = t->pages = t->part_tables = t->recents = t->steps = 0;
	t->focus = 0;
	t->full = t->no_swap = t->reserved_absent = t->top_accessed = t->code_stays = false;
	t->reserved_at = 0;
	t->is = (struct pg_mode){true, t->can.pge, true, t->can.nxe, false, false};
	resolve(t, t->format->low, t->low);
	resolve(t, t->format->top, t->top);
	t->frames = t->format->lows * t->format->regions;
	for (unsigned int frame = 0; frame < t->frames; frame++) {
		memset(t->image[frame], 0, PAGE_SIZE);
		t->level[frame] = 0;
		pg_make_data(t, frame);
	}
	for (unsigned int frame = 0; frame < PG_ROOTS; frame++)
		make_root(t, frame);
	pg_machine_mode(&t->is);
	pg_load_root(t, 0);
	pg_flush_all(t);
	pg_find_quirks(t);
	t->count = (struct pg_counts){0};
	for (unsigned int i = 0; i < FIRST_MAPS; i++)
		if (!pg_random_map(t))
			return false;
	return true;
}

/*
 * Flushes some addresses.  They are mapped, or edited last, or the processor may hold stale
 * translations of them.
 */
static void
flush_pages(struct pg *t)
{
	uint64_t path[PG_LEVELS + 1];

	for (unsigned int i = pg_below(t, INVLPG_MAX) + 1; i > 0; i--) {
		const struct pg_stale *s = &t->page[pg_below(t, PG_PAGES) % (t->pages + 1)];
		uint64_t va = pg_random_va(t, path) | pg_below(t, PAGE_SIZE);

		if (s < &t->page[t->pages] && pg_chance(t, 1, 2))
			va = s->va | pg_below(t, 1u << pg_shift(t, s->level));
		pg_flush_page(t, va);
	}
}

static void
random_flush(struct pg *t)
{
	switch (pg_below(t, 8)) {
	case 0:
	case 1:
	case 2:
		flush_pages(t);
		break;
	case 3:
		pg_load_root(t, t->root);
		break;
	case 4:
		t->count.switches++;
		pg_load_root(t, pg_below(t, PG_ROOTS));
		break;
	case 5:
		if (pg_chance(t, 1, 2))
			pg_flush_all(t);
		break;
	default: /* no flush: the processor may go on with what it holds */
		break;
	}
}

static bool
image_holds(struct pg *t)
{
	uint64_t pa;

	if (pg_image_holds(t, &pa))
		return true;
	snprintf(t->failure, sizeof(t->failure), "memory at %#llx, a %s: expected %#x, found %#x",
	         (unsigned long long)pa, t->level[pg_frame_at(t, pa)] ? "table" : "data page",
	         pg_word(t, pa), pg_real_word(t, pa));
	return false;
}

static bool
accesses(struct pg *t)
{
	for (unsigned int n = pg_below(t, ACCESSES_MAX) + 1; n > 0; n--)
		if (!pg_random_access(t))
			return false;
	return true;
}

/* Returns an address that is mapped, if one is found soon. */
static uint64_t
mapped_va(struct pg *t)
{
	struct pg_access a = {.kind = PG_READ, .ac = true};
	struct pg_outcome o;
	uint64_t path[PG_LEVELS + 1];
	unsigned int tries = 0;

	do {
		a.va = pg_random_va(t, path);
		pg_walk(t, t->format->levels, pg_frame_pa(t, t->root), pg_all_rights, &a, &o);
	} while (o.kind == PG_FAULT && ++tries < FOCUS_TRIES);
	return a.va;
}

static bool
one_round(struct pg *t)
{
	t->focus = mapped_va(t);
	if (!accesses(t))
		return false;
	for (unsigned int edits = pg_below(t, EDITS_MAX) + 1; edits > 0; edits--) {
		if (!pg_random_edit(t))
			return false;
		random_flush(t);
		if (!accesses(t))
			return false;
		if (!pg_chance(t, 1, 4))
			continue;
		pg_random_mode(t);
		if (!accesses(t))
			return false;
	}
	return image_holds(t);
}

bool
pg_run(struct pg *t, uint32_t rounds, uint32_t seed)
{
	if (!start(t, seed))
		return false;
	while (t->count.rounds < rounds) {
		t->count.rounds++;
		if (!one_round(t))
			return false;
	}
	return true;
}
