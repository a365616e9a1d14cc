#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* Random edits of the tables, each legal for software to make. */

#define PAT_SMALL 0x080
#define PAT_LARGE 0x1000

static bool
is_pae_root(const struct pg *t, uint64_t at)
{
	return t->format == &pg_pae && t->level[pg_frame_at(t, at)] == t->format->levels;
}

/*
 * Returns true for the kernel's own entries in a root.  A walk may meet them where a root serves as
 * a lower table, too.
 */
static bool
is_kernels(const struct pg *t, uint64_t at)
{
	unsigned int index = (uint32_t)at % PAGE_SIZE / t->format->entry_bytes;

	for (unsigned int i = 0; i < t->format->tops; i++)
		if (t->top[i] == index)
			return false;
	return pg_frame_at(t, at) < PG_ROOTS;
}

/* Looks below a table for an address that maps the page of pa. */
static bool
find_mapping(struct pg *t, unsigned int level, uint64_t table, uint64_t pa, uint64_t *va)
{
	const uint16_t *index;
	unsigned int n = pg_indexes(t, level, &index), first = pg_below(t, n);
	uint64_t above = *va;

	for (unsigned int i = 0; i < n; i++) {
		uint64_t k = index[(first + i) % n], span = BIT(pg_shift(t, level)), entry;

		if (!pg_walks(t, level, table))
			return false;
		entry = pg_entry(t, table + k * t->format->entry_bytes);
		*va = above | k << pg_shift(t, level);
		if (!(entry & PTE_P) || (entry & pg_reserved(t, level, entry)))
			continue;
		if (!pg_is_leaf(t, level, entry)) {
			if (find_mapping(t, level - 1, pg_table_pa(t, entry), pa, va))
				return true;
		} else if (pg_leaf_pa(t, level, entry) == (pa & ~(span - 1))) {
			*va |= pa & (span - 1);
			return true;
		}
	}
	return false;
}

static bool
write_word(struct pg *t, uint64_t va, uint64_t pa, uint64_t value, bool *done)
{
	return !*done || pg_write_through(t, va, pa, (uint32_t)value, done);
}

/*
 * Changes an entry by writes through an address that maps it.  *done: such writes were possible to
 * the end.
 */
static bool
change_through(struct pg *t, uint64_t at, uint64_t value, bool *done)
{
	uint64_t va = 0, before = pg_entry(t, at);

	*done = find_mapping(t, t->format->levels, pg_frame_pa(t, t->root), at, &va);
	if ((before ^ value) >> 32) {
		if (!write_word(t, va, at, 0, done) ||
		    !write_word(t, va + 4, at + 4, value >> 32, done))
			return false;
	}
	if (!write_word(t, va, at, value, done))
		return false;
	t->count.through += *done;
	return true;
}

/* Gives an entry a value, through a mapping of the test's own or through the kernel's. */
static bool
change(struct pg *t, const char *what, uint64_t at, uint64_t value)
{
	bool done = false;

	if (is_kernels(t, at))
		return true;
	pg_note(t, what, at, pg_entry(t, at), value);
	t->count.edits++;
	if (pg_chance(t, 1, 3) && !is_pae_root(t, at) && !change_through(t, at, value, &done))
		return false;
	if (!done) {
		pg_tlb_before(t, at);
		pg_put_entry(t, at, value);
	}
	if (is_pae_root(t, at)) /* the processor reads these when CR3 is loaded */
		pg_load_root(t, t->root);
	return true;
}

static uint64_t
some(struct pg *t, uint64_t flag, uint32_t in, uint32_t of)
{
	return pg_chance(t, in, of) ? flag : 0;
}

/* Returns random values for the bits that the processor ignores. */
static uint64_t
ignored_bits(struct pg *t)
{
	uint64_t low = pg_below(t, 8) << 9;

	return low | (t->format == &pg_long ? (uint64_t)pg_below(t, 1 << 7) << 52 : 0);
}

static uint64_t
no_execute(struct pg *t, uint32_t in, uint32_t of)
{
	return some(t, t->is.nxe && t->format->entry_bytes == 8 ? PTE_NX : 0, in, of);
}

static uint64_t
leaf_entry(struct pg *t, unsigned int level)
{
	uint64_t entry = PTE_P | some(t, PTE_W, 3, 4) | some(t, PTE_U, 1, 2) |
	                 some(t, PTE_A, 1, 2) | some(t, PTE_D, 1, 2) | some(t, PTE_G, 1, 6) |
	                 no_execute(t, 1, 4) | ignored_bits(t);

	if (level == 1)
		return entry | some(t, PAT_SMALL, 1, 8) | pg_frame_pa(t, pg_below(t, t->frames));
	entry |= PTE_PS | some(t, PAT_LARGE, 1, 8);
	if (level == 2)
		entry |= t->pool + ((uint64_t)pg_below(t, t->format->regions) << pg_shift(t, 2));
	return entry;
}

static uint64_t
table_entry(struct pg *t, unsigned int level, unsigned int frame)
{
	uint64_t pa = pg_frame_pa(t, frame);

	if (!pg_has_rights(t, level))
		return pa | PTE_P | (pg_below(t, 8) << 9) | (t->top_accessed ? PTE_A : 0);
	return pa | PTE_P | some(t, PTE_W, 7, 8) | some(t, PTE_U, 3, 4) | some(t, PTE_A, 1, 2) |
	       some(t, PTE_D, 1, 4) | some(t, PTE_G, 1, 4) | no_execute(t, 1, 12) | ignored_bits(t);
}

/*
 * Returns the frame of a random table that is not a root, made for `level` unless that is 0.  -1:
 * none.
 */
static int
random_table(struct pg *t, unsigned int level)
{
	unsigned int first = pg_below(t, t->frames);

	for (unsigned int i = 0; i < t->frames; i++) {
		unsigned int frame = (first + i) % t->frames;

		if (frame >= PG_ROOTS && t->level[frame] && (!level || t->level[frame] == level))
			return (int)frame;
	}
	return -1;
}

/* Clears all entries that lead to a table. */
static bool
disconnect(struct pg *t, unsigned int frame)
{
	const uint64_t pa = pg_frame_pa(t, frame);

	for (unsigned int in = 0; in < t->frames; in++) {
		const uint16_t *index;
		unsigned int n = pg_indexes(t, t->level[in], &index);

		for (unsigned int i = 0; t->level[in] > 1 && i < n; i++) {
			uint64_t at = pg_frame_pa(t, in) + index[i] * t->format->entry_bytes;
			uint64_t entry = pg_entry(t, at);

			if ((entry & PTE_P) && pg_table_pa(t, entry) == pa &&
			    !pg_is_leaf(t, t->level[in], entry) && !change(t, "free", at, 0))
				return false;
		}
	}
	return true;
}

/* Turns a table into data again.  Without a flush the processor may go on walking the data. */
static bool
free_table(struct pg *t)
{
	int frame = random_table(t, 0);

	if (frame < 0)
		return true;
	if (!disconnect(t, (unsigned int)frame))
		return false;
	pg_make_data(t, (unsigned int)frame);
	t->count.frees++;
	if (pg_chance(t, 7, 8))
		pg_flush_all(t);
	return true;
}

/* Turns a random data frame into an empty table.  Returns the frame. */
static unsigned int
new_table(struct pg *t, unsigned int level)
{
	unsigned int frame;

	do
		frame = pg_below(t, t->frames);
	while (frame < PG_ROOTS || t->level[frame]);
	pg_make_table(t, frame, level);
	pg_note(t, "new table", pg_frame_pa(t, frame), 0, level);
	return frame;
}

static unsigned int
table_for(struct pg *t, unsigned int level)
{
	int shared = pg_chance(t, 1, 2) ? random_table(t, level) : -1;

	return shared < 0 ? new_table(t, level) : (unsigned int)shared;
}

static bool
may_be_large(const struct pg *t, unsigned int level)
{
	return (level == 2 && (t->format != &pg_legacy || t->is.pse)) ||
	       (level == 3 && t->format == &pg_long && t->huge);
}

/* Maps a page, with the tables that it needs. */
bool
pg_random_map(struct pg *t)
{
	uint64_t table = pg_frame_pa(t, t->root), entry;
	bool near = pg_chance(t, 9, 10); /* below tables that are there */

	while (t->tables + t->format->levels > t->format->tables_max)
		if (!free_table(t))
			return false;
	for (unsigned int level = t->format->levels; pg_walks(t, level, table); level--) {
		unsigned int index = pg_random_index(t, level, near && level > 1 ? table : 0);
		uint64_t at = table + index * t->format->entry_bytes;

		entry = pg_entry(t, at);
		if (level == 1 ||
		    (may_be_large(t, level) && !(entry & PTE_P) && pg_chance(t, 1, 5)))
			return change(t, "map", at, leaf_entry(t, level));
		if (!(entry & PTE_P)) {
			entry = table_entry(t, level, table_for(t, level - 1));
			if (!change(t, "map a table", at, entry))
				return false;
		}
		if (pg_is_leaf(t, level, entry))
			break;
		table = pg_table_pa(t, entry);
	}
	return true;
}

/*
 * Returns the address of an entry on the way to a random address: at this level, or 0 if the walk
 * ends above it; with level 0, at any level that the walk reaches.
 */
static uint64_t
random_entry(struct pg *t, unsigned int level, unsigned int *found)
{
	uint64_t path[PG_LEVELS + 1];

	pg_random_va(t, path);
	*found = level ? level : 1 + pg_below(t, t->format->levels);
	while (!level && !path[*found])
		++*found;
	return path[*found];
}

static bool
unmap(struct pg *t)
{
	unsigned int level;
	uint64_t at = random_entry(t, 0, &level);

	return change(t, "unmap", at, pg_chance(t, 1, 2) ? 0 : pg_entry(t, at) & ~(uint64_t)PTE_P);
}

/* Gives a page another frame. */
static bool
remap(struct pg *t)
{
	unsigned int level;
	uint64_t at = random_entry(t, 0, &level), entry = pg_entry(t, at), address;

	if (!(entry & PTE_P) || !pg_is_leaf(t, level, entry) || level > 2)
		return pg_random_map(t);
	address = PTE_ADDR & ~(uint64_t)(level == 2 ? PAT_LARGE : 0);
	return change(t, "remap", at, (entry & ~address) | (leaf_entry(t, level) & address));
}

/* Toggles one right of an entry, and leaves the rest of the entry. */
static bool
rights(struct pg *t)
{
	static const uint64_t flags[] = {PTE_W, PTE_W, PTE_U, PTE_U, PTE_NX, PTE_G};
	unsigned int level;
	uint64_t at = random_entry(t, 0, &level);
	uint64_t flag = flags[pg_below(t, ARRAY_SIZE(flags))];

	if (!pg_has_rights(t, level))
		return true;
	if (flag == PTE_NX && (t->format->entry_bytes == 4 || !t->is.nxe))
		flag = PTE_W;
	return change(t, "rights", at, pg_entry(t, at) ^ flag);
}

static bool
accessed_dirty(struct pg *t)
{
	static const uint64_t flags[] = {PTE_A, PTE_D, PTE_A | PTE_D};
	unsigned int level;
	uint64_t at = random_entry(t, 0, &level);

	if (!pg_has_rights(t, level))
		return true;
	return change(t, "clear A/D", at, pg_entry(t, at) & ~flags[pg_below(t, ARRAY_SIZE(flags))]);
}

/* Sets a reserved bit, so that all below it is out of reach.  The next edit clears the bit. */
static bool
reserve(struct pg *t)
{
	unsigned int level, bit;
	uint64_t at = random_entry(t, 0, &level), entry = pg_entry(t, at);
	uint64_t reserved = pg_reserved(t, level, entry) & ~entry;

	if (!reserved || !pg_has_rights(t, level) || is_kernels(t, at))
		return true;
	do
		bit = pg_below(t, 64);
	while (!(reserved & BIT(bit)));
	t->reserved_at = at;
	t->reserved_bit = BIT(bit);
	return change(t, "reserved bit", at, entry | BIT(bit));
}

static bool
unreserve(struct pg *t)
{
	uint64_t at = t->reserved_at;

	t->reserved_at = 0;
	if (!t->level[pg_frame_at(t, at)]) /* data by now */
		return true;
	return change(t, "no reserved bit", at, pg_entry(t, at) & ~t->reserved_bit);
}

/* Splits a large page into a table of pieces that map the same. */
static bool
split(struct pg *t, uint64_t at, unsigned int level, uint64_t large)
{
	unsigned int frame = new_table(t, level - 1);
	uint64_t flags = large & ~(PTE_ADDR | PTE_PS);

	for (unsigned int i = 0; i < t->format->lows; i++) {
		uint64_t pa = pg_leaf_pa(t, level, large) | (uint64_t)t->low[i]
		                                                    << pg_shift(t, level - 1);

		if (pg_frame_at(t, pa) >= 0)
			pg_put_entry(t, pg_frame_pa(t, frame) + t->low[i] * t->format->entry_bytes,
			             pa | flags | (level > 2 ? PTE_PS : 0));
	}
	return change(t, "split", at, table_entry(t, level, frame));
}

static bool
split_or_join(struct pg *t)
{
	unsigned int level;
	uint64_t at = random_entry(t, t->format->levels == 4 && pg_chance(t, 1, 4) ? 3 : 2, &level);
	uint64_t entry = at ? pg_entry(t, at) : 0;

	if (!(entry & PTE_P) || !may_be_large(t, level) || (entry & pg_reserved(t, level, entry)))
		return true;
	if (!pg_is_leaf(t, level, entry))
		return change(t, "join", at, leaf_entry(t, level));
	if (t->tables + 1 > t->format->tables_max)
		return free_table(t);
	return split(t, at, level, entry);
}

/* Uses a table in one more place, at any level; also a root, where roots are like other tables. */
static bool
share(struct pg *t)
{
	unsigned int level, frame = t->root;
	uint64_t at = random_entry(t, 0, &level);

	if (level == 1)
		return true;
	if (t->format == &pg_pae || pg_chance(t, 2, 3)) {
		int table = random_table(t, pg_chance(t, 1, 3) ? 0 : level - 1);

		if (table < 0)
			return true;
		frame = (unsigned int)table;
	}
	return change(t, "share", at, table_entry(t, level, frame));
}

bool
pg_random_edit(struct pg *t)
{
	static bool (*const edits[])(struct pg * t) = {
	        pg_random_map, pg_random_map,  pg_random_map,  pg_random_map, unmap,
	        remap,         remap,          rights,         rights,        rights,
	        rights,        accessed_dirty, accessed_dirty, reserve,       reserve,
	        split_or_join, split_or_join,  share,
	};

	if (t->reserved_at)
		return unreserve(t);
	if (pg_chance(t, 1, 40))
		return free_table(t);
	return edits[pg_below(t, ARRAY_SIZE(edits))](t);
}

/*
 * Toggles CR0.WP, a bit of CR4, or EFER.NXE.  Cached translations stay valid for WP, SMEP and SMAP.
 * The others need a flush, and are on most of the time.
 */
void
pg_random_mode(struct pg *t)
{
	const struct {
		bool *on, can, flush;
	} features[] = {
	        {&t->is.wp, t->can.wp, false},     {&t->is.wp, t->can.wp, false},
	        {&t->is.smep, t->can.smep, false}, {&t->is.smap, t->can.smap, false},
	        {&t->is.pge, t->can.pge, true},    {&t->is.nxe, t->can.nxe, true},
	        {&t->is.pse, t->can.pse, true},
	};
	unsigned int i = pg_below(t, ARRAY_SIZE(features));

	if (!features[i].can || (features[i].flush && *features[i].on && pg_chance(t, 2, 3)))
		return;
	*features[i].on = !*features[i].on;
	/*
	 * Shadow paging does not apply SMAP to a page that a supervisor wrote without the right to,
	 * which it can while WP is clear (docs/shadow-paging.md).  So SMAP is on only with WP.
	 */
	if (features[i].on == &t->is.smap)
		t->is.wp |= t->is.smap;
	else
		t->is.smap &= t->is.wp;
	pg_machine_mode(&t->is);
	t->count.modes++;
	pg_note(t, "feature", i, !*features[i].on, *features[i].on);
	if (features[i].flush)
		pg_flush_all(t);
}
