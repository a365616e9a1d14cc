#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * The plain walker: page tables as the manual describes them (SDM vol. 3, "Paging"), over the
 * image.
 */

enum { LEGACY_LARGE_LEVEL = 2, PAE_TOP = 3, LONG_HUGE_LEVEL = 3 };

const struct pg_format pg_legacy = {
        .name = "32-bit",
        .levels = 2,
        .index_bits = 10,
        .entry_bytes = 4,
        .low = {0, 1, 2, 130, 402, 768, 1022, 1023},
        .lows = 8,
        .top = {130, 402, 768, 1022, 1023},
        .tops = 5,
        .regions = 4,
        .tables_max = 14,
};
const struct pg_format pg_pae = {
        .name = "PAE",
        .levels = 3,
        .index_bits = 9,
        .entry_bytes = 8,
        .low = {0, 0xffff, 0xfffe, 130, 402, 511},
        .lows = 6,
        .top = {1, 2, 3},
        .tops = 3,
        .regions = 8,
        .tables_max = 22,
};
/* 0xffff, 130 and 402 are in both lists: a root that leads to itself shows all its tables. */
const struct pg_format pg_long = {
        .name = "4-level",
        .levels = 4,
        .index_bits = 9,
        .entry_bytes = 8,
        .low = {0, 0xffff, 0xfffe, 130, 402, 511},
        .lows = 6,
        .top = {0xffff, 130, 402},
        .tops = 3,
        .regions = 8,
        .tables_max = 26,
};

const struct pg_rights pg_all_rights = {true, true, false};

unsigned int
pg_shift(const struct pg *t, unsigned int level)
{
	return PAGE_SHIFT + t->format->index_bits * (level - 1);
}

unsigned int
pg_indexes(const struct pg *t, unsigned int level, const uint16_t **index)
{
	bool top = level == t->format->levels;

	*index = top ? t->top : t->low;
	return top ? t->format->tops : t->format->lows;
}

uint64_t
pg_entry_at(const struct pg *t, uint64_t table, unsigned int level, uint64_t va)
{
	uint64_t index = va >> pg_shift(t, level) & (BIT(t->format->index_bits) - 1);

	return table + index * t->format->entry_bytes;
}

bool
pg_has_rights(const struct pg *t, unsigned int level)
{
	return t->format != &pg_pae || level != PAE_TOP;
}

bool
pg_is_leaf(const struct pg *t, unsigned int level, uint64_t entry)
{
	if (level == 1)
		return true;
	if (!(entry & PTE_PS))
		return false;
	if (t->format == &pg_legacy)
		return t->is.pse;
	return level == 2 || (level == LONG_HUGE_LEVEL && t->format == &pg_long && t->huge);
}

/*
 * Returns the bits that must be 0 in a present entry (SDM vol. 3, "Reserved Bits").  Bit 51 stands
 * for all address bits above the processor's width: no processor here has it, whatever CPUID shows.
 */
uint64_t
pg_reserved(const struct pg *t, unsigned int level, uint64_t entry)
{
	bool large = level > 1 && pg_is_leaf(t, level, entry);
	uint64_t reserved = BIT(51);

	if (t->format == &pg_legacy)
		return large ? BIT(21) : 0;
	if (!t->is.nxe || !pg_has_rights(t, level))
		reserved |= PTE_NX;
	if (t->format == &pg_pae)
		reserved |= BITS(~0ull, 62, 52) << 52;
	if (!pg_has_rights(t, level))
		return reserved | (t->top_accessed ? 0x1c6 : 0x1e6);
	if (level >= LONG_HUGE_LEVEL && !large)
		reserved |= PTE_PS;
	if (large)
		reserved |= (BIT(pg_shift(t, level)) - 1) & ~(uint64_t)0x1fff;
	return reserved;
}

uint64_t
pg_table_pa(const struct pg *t, uint64_t entry)
{
	return entry & (t->format == &pg_legacy ? 0xfffff000 : PTE_ADDR);
}

uint64_t
pg_leaf_pa(const struct pg *t, unsigned int level, uint64_t entry)
{
	uint64_t pa = pg_table_pa(t, entry) & ~(BIT(pg_shift(t, level)) - 1);

	if (t->format == &pg_legacy && level == LEGACY_LARGE_LEVEL)
		pa |= BITS(entry, 20, 13) << 32;
	return pa;
}

struct pg_rights
pg_narrow(const struct pg *t, struct pg_rights r, unsigned int level, uint64_t entry)
{
	if (!pg_has_rights(t, level))
		return r;
	r.writable = r.writable && (entry & PTE_W);
	r.user = r.user && (entry & PTE_U);
	r.no_execute = r.no_execute || (entry & PTE_NX);
	return r;
}

uint64_t
pg_canonical(const struct pg *t, uint64_t va)
{
	if (t->format == &pg_long)
		return (uint64_t)((int64_t)(va << 16) >> 16);
	return va;
}

/* Returns the bits of the error code that tell the access (SDM vol. 3, "Page-Fault Exceptions"). */
static uint32_t
error_of(const struct pg *t, const struct pg_access *a)
{
	bool protects = t->is.smep || (t->is.nxe && t->format->entry_bytes == 8);

	return (a->kind == PG_WRITE || a->kind == PG_SWAP ? PF_W : 0) | (a->user ? PF_U : 0) |
	       (a->kind == PG_FETCH && protects ? PF_I : 0);
}

/* SDM vol. 3, "Determination of Access Rights". */
static bool
permits(const struct pg *t, struct pg_rights r, const struct pg_access *a)
{
	if (a->user && !r.user)
		return false;
	if (a->kind == PG_FETCH)
		return !r.no_execute && (a->user || !r.user || !t->is.smep);
	if (!a->user && r.user && t->is.smap && !a->ac)
		return false;
	if (a->kind == PG_READ || r.writable)
		return true;
	return !a->user && !t->is.wp;
}

uint32_t
pg_denied(const struct pg *t, struct pg_rights rights, const struct pg_access *a)
{
	return permits(t, rights, a) ? 0 : error_of(t, a) | PF_P;
}

static void
fault(struct pg_outcome *o, uint32_t error)
{
	o->kind = PG_FAULT;
	o->error = error;
	o->pa = 0;
}

void
pg_walk(const struct pg *t, unsigned int level, uint64_t table, struct pg_rights rights,
        const struct pg_access *a, struct pg_outcome *o)
{
	uint32_t denied;
	uint64_t entry;

	*o = (struct pg_outcome){.kind = PG_WILD};
	for (;; level--) {
		uint64_t at = pg_entry_at(t, table, level, a->va);

		if (!pg_walks(t, level, at))
			return;
		entry = pg_entry(t, at);
		if (!(entry & PTE_P))
			return fault(o, error_of(t, a));
		if (pg_has_rights(t, level))
			o->step[o->steps++] = at;
		if (entry & pg_reserved(t, level, entry))
			return fault(o, error_of(t, a) | (t->reserved_absent ? 0 : PF_P) | PF_RSVD);
		rights = pg_narrow(t, rights, level, entry);
		if (pg_is_leaf(t, level, entry))
			break;
		table = pg_table_pa(t, entry);
	}
	o->pa = pg_leaf_pa(t, level, entry) | (a->va & (BIT(pg_shift(t, level)) - 1));
	if (o->pa >> 32) /* may be reserved: that depends on MAXPHYADDR */
		return;
	denied = pg_denied(t, rights, a);
	if (denied)
		return fault(o, denied);
	if (pg_frame_at(t, o->pa) < 0)
		return;
	o->kind = PG_PAGE;
	o->dirty = a->kind == PG_WRITE || a->kind == PG_SWAP;
}
