#include "vmm/shadow.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/page.h"
#include "lib/assert.h"
#include "lib/string.h"

/*
 * Shadow tables.  They have the processor's own format, with two notes in bits that it ignores:
 * a level-2 entry whose table holds parts of larger guest pages says so.
 */

#define PART_OF_LARGE 0x200
#define GUEST_4M      (2 * LARGE_PAGE_SIZE)

enum { BELOW_ROOT = PT_LEVELS - 1 }; /* tables that a new leaf can need */

static bool
is_large(pte_t e)
{
	return (e & PTE_P) && (e & PTE_PS);
}

static pte_t *
table_of(pte_t e)
{
	return kva(e & PTE_ADDR);
}

int
shadow_tables_init(struct shadow *s, uint64_t pdpte[SHADOW_PDPTES])
{
	int err = pt_init(&s->pt, &pt_host);

	if (err < 0)
		return err;
	if ((err = page_reserve(SHADOW_TABLES - 1)) < 0) {
		pt_free(&s->pt, 0, PT_ENTRIES - 1, true);
		return err;
	}
	s->pdpte = pdpte;
	s->widest = 0;
	memset(pdpte, 0, SHADOW_PDPTES * sizeof(*pdpte));
	return 0;
}

uint64_t
shadow_promise_left(const struct shadow *s)
{
	return SHADOW_TABLES - s->pt.tables;
}

bool
shadow_is_empty(const struct shadow *s)
{
	return s->pt.tables == 1;
}

void
shadow_tables_free(struct shadow *s)
{
	page_unreserve(shadow_promise_left(s));
	pt_free(&s->pt, 0, PT_ENTRIES - 1, true);
}

bool
shadow_clear(struct shadow *s)
{
	uint64_t before = s->pt.tables;

	if (shadow_is_empty(s))
		return false;
	pt_free(&s->pt, 0, PT_ENTRIES - 1, false);
	if (page_reserve(before - s->pt.tables) < 0)
		panic("pages that have just become free are not to be had");
	s->widest = 0;
	memset(s->pdpte, 0, SHADOW_PDPTES * sizeof(*s->pdpte));
	return true;
}

/* gva's entry of a level, with the tables above it; there is room for them. */
static pte_t *
entry_make(struct shadow *s, uint64_t gva, int level)
{
	uint64_t before = s->pt.tables;
	pte_t *entry;
	int err;

	page_unreserve(BELOW_ROOT);
	err = pt_ensure(&s->pt, gva, level, &entry);
	if (err < 0 || page_reserve(BELOW_ROOT - (s->pt.tables - before)) < 0)
		panic("a table of %d shadow tables could not be made", SHADOW_TABLES);
	return entry;
}

/* gva's entry of level 2, or NULL. */
static pte_t *
entry_find(const struct shadow *s, uint64_t gva)
{
	pte_t *table = kva(s->pt.root);

	for (int level = PT_LEVELS; level > 2; level--) {
		pte_t e = table[pt_index(gva, level)];

		if (!e)
			return NULL;
		table = table_of(e);
	}
	return &table[pt_index(gva, 2)];
}

/* PAE's top entries have no rights, whose bits are reserved there. */
static void
copy_pdptes(struct shadow *s)
{
	const pte_t *root = kva(s->pt.root);

	if (!root[0])
		return;
	for (unsigned int i = 0; i < SHADOW_PDPTES; i++) {
		pte_t e = table_of(root[0])[i];

		s->pdpte[i] = e ? (e & PTE_ADDR) | PTE_P : 0;
	}
}

bool
shadow_map(struct shadow *s, uint64_t gva, pte_t leaf, uint64_t span)
{
	bool gone = s->pt.tables + BELOW_ROOT > SHADOW_TABLES && shadow_clear(s);
	pte_t *above = entry_make(s, gva, 2), *entry = above;

	if ((leaf & PTE_PS) && *above && !is_large(*above)) {
		/* There are small ones, which may stay: so this is to be one of them. */
		leaf = (leaf & ~(pte_t)PTE_PS) + (gva & (LARGE_PAGE_SIZE - 1) & PTE_ADDR);
	} else if (!(leaf & PTE_PS) && is_large(*above)) {
		*above = 0;
		gone = true;
	}
	if (!(leaf & PTE_PS)) {
		entry = entry_make(s, gva, 1);
		if (span > PAGE_SIZE)
			*above |= PART_OF_LARGE;
	}
	gone |= *entry && *entry != leaf;
	*entry = leaf;
	if (span > s->widest)
		s->widest = span;
	copy_pdptes(s);
	return gone;
}

/* All that an entry of level 2 leads to. */
static bool
region_clear(pte_t *above)
{
	if (!above || !*above)
		return false;
	if (is_large(*above)) {
		*above = 0;
	} else {
		memset(table_of(*above), 0, PAGE_SIZE);
		*above &= ~(pte_t)PART_OF_LARGE;
	}
	return true;
}

bool
shadow_unmap(struct shadow *s, uint64_t gva)
{
	pte_t *above, *entry;
	bool gone;

	if (s->widest > GUEST_4M)
		return shadow_clear(s);
	above = entry_find(s, gva);
	if (s->widest == GUEST_4M) {
		gone = region_clear(entry_find(s, gva ^ LARGE_PAGE_SIZE));
		return region_clear(above) || gone;
	}
	if (!above || !*above)
		return false;
	if (is_large(*above) || (*above & PART_OF_LARGE))
		return region_clear(above);
	entry = &table_of(*above)[pt_index(gva, 1)];
	gone = *entry;
	*entry = 0;
	return gone;
}

/*
 * CR0.WP, so that the first write to a clean page faults whoever makes it.  PAE, since our tables
 * have its format; NXE, so that a fault says when it was a fetch.  Without paging in the guest
 * there is none of its rights either.
 */
void
shadow_hardware(const struct shadow *s, struct shadow_regs *hw)
{
	const struct shadow_regs *g = &s->guest;
	bool paging = g->cr0 & CR0_PG;

	hw->cr0 = g->cr0 | CR0_PG | CR0_WP;
	hw->cr3 = g->efer & EFER_LMA ? s->pt.root : (uint64_t)s->pdpte - KERNBASE;
	hw->cr4 = (g->cr4 | CR4_PAE) & ~(uint64_t)(paging ? 0 : CR4_SMEP | CR4_SMAP);
	hw->efer = (g->efer | EFER_NXE) & ~(uint64_t)(paging ? 0 : EFER_LME | EFER_LMA);
}
