#include "kern/mem/aspace.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/mem/tlb.h"
#include "lib/string.h"

/*
 * Zero-on-demand and copy-on-write: what becomes of an access that finds a
 * marker or a shared page.  Memory cannot run out here; see kern/mem/aspace.c.
 */

/* Splits the 2 MiB entry that decides about va.  Returns the 4 KiB entry that decides from then on.
 */
static pte_t *
split(struct aspace *as, uint64_t va, pte_t *entry, int *level)
{
	aspace_split(as, entry);
	return pt_lookup(&as->pt, va, level);
}

/* Puts zeroed memory in place of the marker that decides about va. */
static pte_t *
fill_zero(struct aspace *as, uint64_t va, pte_t *entry, int *level)
{
	uint64_t bits = (*entry & (PTE_W | PTE_NX)) | PTE_P | PTE_U;
	struct page *p;

	if (*level == 2) {
		p = page_alloc_large(PAGE_PROMISED | PAGE_ZERO);
		if (p) {
			*entry = page_pa(p) | bits | pt_host.large;
			as->pages += FRAME_PAGES;
			return entry;
		}
		entry = split(as, va, entry, level);
	}
	p = page_alloc(PAGE_PROMISED | PAGE_ZERO);
	*entry = page_pa(p) | bits;
	as->pages++;
	return entry;
}

/* Gives the address space a page of its own in place of a shared one. */
static void
copy_page(struct aspace *as, uint64_t va, pte_t *entry)
{
	struct page *old = pa_page(*entry & PTE_ADDR);
	struct page *copy = page_alloc(PAGE_PROMISED);

	aspace_narrow(as, va, PAGE_SIZE);
	memcpy(kva(page_pa(copy)), kva(page_pa(old)), PAGE_SIZE);
	*entry = page_pa(copy) | (*entry & ~(PTE_ADDR | PTE_COW)) | PTE_W;
	page_unref(old);
	tlb_flush(as, va, PAGE_SIZE);
}

/* Makes the copy-on-write entry that decides about va writable; 2 MiB frames are copied by pages.
 */
static pte_t *
resolve_copy(struct aspace *as, uint64_t va, pte_t *entry, int *level)
{
	bool alone = *level == 2 && !page_shared_large(pa_page(*entry & PTE_ADDR));

	if (*level == 2 && !alone)
		entry = split(as, va, entry, level);
	if (alone || page_exclusive(pa_page(*entry & PTE_ADDR)))
		*entry = (*entry & ~(pte_t)PTE_COW) | PTE_W;
	else
		copy_page(as, ROUND_DOWN(va, PAGE_SIZE), entry);
	return entry;
}

/* Does the entry, present or marker, allow the access once it is resolved? */
static bool
allows(pte_t e, int access)
{
	return !((access & ACCESS_WRITE) && !(e & (PTE_W | PTE_COW))) &&
	       !((access & ACCESS_EXEC) && (e & PTE_NX));
}

/*
 * Gives the entry that decides about va what the access needs.  The entry that decides from then
 * on, with its level, or NULL: the access is not allowed.
 */
static pte_t *
resolve(struct aspace *as, uint64_t va, int access, pte_t *entry, int *level)
{
	if (!(*entry & (PTE_P | PTE_ZERO)) || !allows(*entry, access))
		return NULL;
	if (!(*entry & PTE_P))
		entry = fill_zero(as, va, entry, level);
	else if ((access & ACCESS_WRITE) && (*entry & PTE_COW))
		entry = resolve_copy(as, va, entry, level);
	return entry;
}

int
aspace_fault(struct aspace *as, uint64_t va, int access)
{
	int level;
	pte_t *entry;

	if (va >= USER_END)
		return -E_FAULT;
	entry = pt_lookup(&as->pt, va, &level);
	return resolve(as, va, access, entry, &level) ? 0 : -E_FAULT;
}

/* Is the entry there and, as it stands, good for the access? */
static bool
is_ready(pte_t e, int access)
{
	pte_t needed = PTE_P | (access & ACCESS_WRITE ? PTE_W : 0);

	return (e & needed) == needed && allows(e, access);
}

static int
frame_of(pte_t e, int level, struct frame *out)
{
	out->pa = e & PTE_ADDR;
	out->size = pt_span(level);
	out->writable = e & PTE_W;
	return 0;
}

/* aspace_frame() beyond its short way, which needs no stack.  entry: NULL, or a 4 KiB one. */
static SLOW_PATH int
frame_find(struct aspace *as, uint64_t va, int access, struct frame *out, pte_t *entry)
{
	int level = 1;

	if (!entry)
		entry = pt_walk(&as->pt, va, &level);
	if (!is_ready(*entry, access))
		entry = resolve(as, va, access, entry, &level);
	return entry ? frame_of(*entry, level, out) : -E_FAULT;
}

int
aspace_frame(struct aspace *as, uint64_t va, int access, struct frame *out)
{
	pte_t *entry = pt_nearby(&as->pt, va);

	if (va >= USER_END)
		return -E_FAULT;
	if (entry && is_ready(*entry, access))
		return frame_of(*entry, 1, out);
	return frame_find(as, va, access, out, entry);
}

int
aspace_share(struct aspace *as, uint64_t va, struct page **p, uint64_t *perm)
{
	int level;
	pte_t *entry;
	int err;

	/* A page that is writable must be the one that both sides will write to. */
	err = aspace_fault(as, va, ACCESS_WRITE);
	if (err)
		err = aspace_fault(as, va, ACCESS_READ);
	if (err)
		return err;
	entry = pt_lookup(&as->pt, va, &level);
	if (level == 2)
		entry = split(as, va, entry, &level);
	if (*entry & PTE_W)
		*entry |= PTE_SHARE;
	*p = pa_page(*entry & PTE_ADDR);
	*perm = (*entry & (PTE_W | PTE_NX)) | PTE_SHARE;
	return 0;
}
