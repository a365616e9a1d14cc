#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * Finds what an emulator does otherwise than the manual says, before the test begins.  Each probe
 * makes accesses through one entry of level 2, which may map a large page.
 */

struct probe {
	struct pg *t;
	uint64_t va; /* first address that the entry maps */
	uint64_t at; /* physical address of the entry */
};

/* Builds tables from the root down to level 2, each with one entry. */
static struct probe
build(struct pg *t)
{
	struct probe p = {.t = t};
	uint64_t table = pg_frame_pa(t, t->root);
	unsigned int frame = PG_ROOTS;

	for (unsigned int level = t->format->levels;; level--) {
		const uint16_t *index;

		pg_indexes(t, level, &index);
		p.va |= (uint64_t)index[0] << pg_shift(t, level);
		p.at = table + index[0] * t->format->entry_bytes;
		if (level == 2)
			return p;
		table = pg_frame_pa(t, frame);
		pg_make_table(t, frame++, level - 1);
		pg_put_entry(t, p.at,
		             table | PTE_P | (pg_has_rights(t, level) ? PTE_W | PTE_A : 0));
	}
}

static void
take_down(struct pg *t)
{
	uint64_t root = pg_frame_pa(t, t->root);

	pg_put_entry(t, root + t->top[0] * t->format->entry_bytes, 0);
	for (unsigned int frame = PG_ROOTS; t->level[frame]; frame++)
		pg_make_data(t, frame);
	pg_flush_all(t);
}

static struct pg_result
attempt(const struct probe *p, enum pg_kind kind, uint64_t offset)
{
	struct pg_access a = {.kind = kind, .ac = true, .va = p->va + offset};
	struct pg_result r;

	pg_machine_access(&a, pg_canonical(p->t, a.va), &r);
	return r;
}

/* Returns the error code of the first access through an entry of this value. */
static uint64_t
error_by(const struct probe *p, uint64_t entry, enum pg_kind kind)
{
	pg_put_entry(p->t, p->at, entry);
	pg_load_root(p->t, p->t->root);
	return attempt(p, kind, 0).error;
}

/*
 * Returns true if INVLPG in a large page leaves code of another part cached, but not at its own
 * address.  An INVLPG that leaves both is no use, and the test must find it out.
 */
static bool
code_stays(const struct probe *p)
{
	struct pg *t = p->t;
	const uint64_t region = BIT(pg_shift(t, 2)), flags = PTE_P | PTE_A | PTE_PS;
	const uint64_t offset = (uint64_t)t->low[1] * PAGE_SIZE + PG_STUB;
	const uint64_t before = t->pool + region, after = before + region;

	pg_put_entry(t, p->at, before | flags);
	pg_load_root(t, t->root);
	attempt(p, PG_FETCH, offset);
	pg_put_entry(t, p->at, after | flags);
	invlpg(pg_canonical(t, p->va));
	if (attempt(p, PG_FETCH, offset).value != pg_stub_value(t, before + offset))
		return false;
	invlpg(pg_canonical(t, p->va + offset));
	return attempt(p, PG_FETCH, offset).value == pg_stub_value(t, after + offset);
}

void
pg_find_quirks(struct pg *t)
{
	struct probe p = build(t);
	const uint64_t root = pg_frame_pa(t, t->root) + t->top[0] * t->format->entry_bytes;
	uint64_t reserved = PTE_P | (t->format == &pg_legacy ? PTE_PS | BIT(21) : BIT(51));

	t->no_swap = error_by(&p, 0, PG_SWAP) != PF_W;
	t->reserved_absent = error_by(&p, reserved, PG_READ) == PF_RSVD;
	t->top_accessed = t->format == &pg_pae && (pg_real_word(t, root) & PTE_A);
	t->code_stays = code_stays(&p);
	take_down(t);
}

const char *
pg_quirk(const struct pg *t, unsigned int n)
{
	const struct {
		bool is;
		const char *text;
	} quirks[] = {
	        {t->no_swap, "pgedit: the fault of an exchange is reported as a read's"},
	        {t->reserved_absent,
	         "pgedit: the fault of a reserved bit is reported without PF_P"},
	        {t->top_accessed, "pgedit: PAE's top entries get accessed bits"},
	        {t->code_stays,
	         "pgedit: INVLPG in a large page leaves code of its other parts cached"},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(quirks); i++)
		if (quirks[i].is && n-- == 0)
			return quirks[i].text;
	return NULL;
}
