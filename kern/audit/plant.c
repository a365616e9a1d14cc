#include "kern/audit/audit.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "kern/mem/pmap.h"
#include "lib/assert.h"
#include "lib/string.h"

/*
 * Violations on purpose, to see that an audit finds them.  They last from audit_plant() to
 * audit_unplant(), within one system call and under the kernel lock, while every CPU is in the
 * kernel, and they are made of what is the caller's, or of what nobody looks at there.
 */

enum { POKES_MAX = 4 };
static struct {
	void *where;
	unsigned int size;
	uint64_t old;
} pokes[POKES_MAX];
static unsigned int poke_count;

static struct page *leaked; /* a page to which nobody refers */
static uint64_t promised;   /* pages, to nobody */

void
audit_poke(void *where, unsigned int size, uint64_t value)
{
	assert(poke_count < POKES_MAX && size <= sizeof(value));
	pokes[poke_count].where = where;
	pokes[poke_count].size = size;
	memcpy(&pokes[poke_count++].old, where, size);
	memcpy(where, &value, size);
}

void
audit_unplant(void)
{
	while (poke_count) {
		poke_count--;
		memcpy(pokes[poke_count].where, &pokes[poke_count].old, pokes[poke_count].size);
	}
	if (leaked)
		page_unref(leaked);
	leaked = NULL;
	page_unreserve(promised);
	promised = 0;
}

/* An entry of the caller, of this level, writable. */
struct wanted {
	int level;
	pte_t *entry;
};

static int
take_entry(void *arg, uint64_t va, int level, pte_t *entry)
{
	struct wanted *wanted = arg;

	(void)va;
	if (level != wanted->level || !(*entry & PTE_P) || !(*entry & PTE_W) ||
	    (*entry & PTE_SHARE))
		return 0;
	wanted->entry = entry;
	return 1;
}

static pte_t *
own_entry(struct env *e, int level)
{
	struct wanted wanted = {.level = level};

	pt_visit(&e->as->pt, 0, USER_END, take_entry, &wanted);
	return wanted.entry;
}

static pte_t *
kernel_entry(uint64_t va)
{
	int level;

	return pt_lookup(&kernel_pt, va, &level);
}

static void
poke_entry(pte_t *entry, pte_t clear, pte_t set)
{
	audit_poke(entry, sizeof(*entry), (*entry & ~clear) | set);
}

static struct page *
free_page(void)
{
	struct page *p = page_alloc(0);

	if (p)
		page_unref(p);
	return p;
}

/* Rules about the tables of the process that asks. */
static int
plant_user(struct env *e, enum audit_rule rule)
{
	pte_t *entry = own_entry(e, 1);
	pte_t *root = kva(e->as->pt.root);
	struct page *p;

	if (!entry)
		return -E_NOT_FOUND;
	switch (rule) {
	case AUDIT_USER_KERNEL:
		poke_entry(entry, PTE_ADDR, KERN_PHYS);
		return 0;
	case AUDIT_USER_FREE:
		if (!(p = free_page()))
			return -E_NO_MEM;
		poke_entry(entry, PTE_ADDR, page_pa(p));
		return 0;
	case AUDIT_USER_NO_RAM:
		poke_entry(entry, PTE_ADDR, 0);
		return 0;
	case AUDIT_USER_WX:
		poke_entry(entry, PTE_NX, 0);
		return 0;
	case AUDIT_USER_SHARED:
		audit_poke(&pa_page(*entry & PTE_ADDR)->refs, sizeof(uint32_t), 2);
		return 0;
	case AUDIT_USER_ENTRY:
		poke_entry(entry, PTE_U, 0);
		return 0;
	case AUDIT_USER_PAGES:
		audit_poke(&e->as->pages, sizeof(e->as->pages), e->as->pages + 1);
		return 0;
	case AUDIT_USER_REFS:
		audit_poke(&e->as->refs, sizeof(e->as->refs), e->as->refs + 1);
		return 0;
	case AUDIT_TABLE_PAGES:
		audit_poke(&e->as->pt.tables, sizeof(e->as->pt.tables), e->as->pt.tables + 1);
		return 0;
	case AUDIT_NEARBY:
		audit_poke(&e->as->pt.last_region, sizeof(e->as->pt.last_region), 1);
		audit_poke(&e->as->pt.last_table, sizeof(e->as->pt.last_table), (uint64_t)root);
		return 0;
	case AUDIT_KERNEL_HALF: /* a bit that the processor ignores: this root is in use */
		poke_entry(&root[PT_ENTRIES - 1], 0, PTE_COW);
		return 0;
	default:
		return -E_INVAL;
	}
}

/* Rules about the kernel's tables: the direct map of the kernel's text, which nobody reads. */
static int
plant_kernel(enum audit_rule rule)
{
	pte_t *entry = kernel_entry(DIRECT_BASE + KERN_PHYS + PAGE_SIZE);

	switch (rule) {
	case AUDIT_KERNEL_WX:
		poke_entry(entry, PTE_NX, PTE_W);
		return 0;
	case AUDIT_KERNEL_USER:
		poke_entry(entry, 0, PTE_U);
		return 0;
	case AUDIT_KERNEL_PLACE:
		poke_entry(entry, PTE_ADDR, *entry + PAGE_SIZE);
		return 0;
	default:
		return -E_INVAL;
	}
}

/* Rules about frames. */
static int
plant_frame(struct env *e, enum audit_rule rule)
{
	pte_t *small = own_entry(e, 1), *large = own_entry(e, 2);
	struct page *p;

	if (!small || (!large && (rule == AUDIT_LARGE || rule == AUDIT_USED)))
		return -E_NOT_FOUND;
	switch (rule) {
	case AUDIT_REFS:
		p = pa_page(*small & PTE_ADDR);
		audit_poke(&p->refs, sizeof(p->refs), p->refs + 1);
		return 0;
	case AUDIT_LARGE:
		p = pa_page(*large & PTE_ADDR);
		audit_poke(&p->large, sizeof(p->large), p->large + 1);
		return 0;
	case AUDIT_USED:
		p = pa_page(*large & PTE_ADDR);
		audit_poke(&p->used, sizeof(p->used), p->used + 1);
		return 0;
	case AUDIT_LEAK:
		leaked = page_alloc(0);
		return leaked ? 0 : -E_NO_MEM;
	case AUDIT_LOST:
	case AUDIT_FREE:
		if (!(p = free_page()))
			return -E_NO_MEM;
		audit_poke(&p->free, sizeof(p->free), 0);
		return 0;
	case AUDIT_PROMISES:
		if (page_reserve(1) < 0)
			return -E_NO_MEM;
		promised = 1;
		return 0;
	default:
		return -E_INVAL;
	}
}

int
audit_plant(struct env *e, enum audit_rule rule)
{
	int err = plant_user(e, rule);

	if (err == -E_INVAL)
		err = plant_kernel(rule);
	return err == -E_INVAL ? plant_frame(e, rule) : err;
}
