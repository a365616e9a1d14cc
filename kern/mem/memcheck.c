#include "kern/mem/pmap.h"

#include "inc/x86.h"
#include "kern/mem/aspace.h"
#include "kern/mem/usercopy.h"
#include "lib/assert.h"

/*
 * Boot self-checks of the allocator and of address spaces, in the spirit of
 * JOS: cheap, always on, and whatever they take they give back to the page.
 */

static bool
counts_equal(const struct page_counts *a, const struct page_counts *b)
{
	return a->total == b->total && a->free == b->free && a->reserved == b->reserved;
}

static void
check_single_pages(void)
{
	struct page *a = page_alloc(0), *b = page_alloc(PAGE_ZERO);

	assert(a && b && a != b && page_exclusive(a) && pa_page(page_pa(a)) == a);
	assert(kva_pa(kva(page_pa(b))) == page_pa(b));
	assert(!*(uint64_t *)kva(page_pa(b)));
	page_ref(a);
	assert(!page_exclusive(a));
	page_unref(a);
	page_unref(a);
	page_unref(b);
	/* Last freed, first reused. */
	assert(page_alloc(0) == b);
	page_unref(b);
}

/* A machine may be too small to have a 2 MiB frame. */
static void
check_large_frame(void)
{
	struct page *head = page_alloc_large(0);

	if (!head)
		return;
	assert(!(page_pa(head) & (LARGE_PAGE_SIZE - 1)) && page_shared_large(head) == 0);
	page_ref(&head[1]);
	assert(page_shared_large(head) == 1 && !page_exclusive(&head[1]));
	page_unref_large(head);
	assert(page_exclusive(&head[1]) && !head->compound);
	page_unref(&head[1]);
}

static void
check_promises(void)
{
	struct page_counts c;
	struct page *p;

	page_counts(&c);
	assert(page_reserve(c.free - c.reserved) == 0 && page_reserve(1) < 0);
	assert(!page_alloc(0));
	p = page_alloc(PAGE_PROMISED);
	assert(p);
	page_unref(p);
	page_unreserve(c.free - c.reserved - 1);
}

void
page_check(void)
{
	struct page_counts before, after;

	page_counts(&before);
	check_single_pages();
	check_large_frame();
	check_promises();
	page_counts(&after);
	assert(counts_equal(&before, &after));
}

static int
check_kernel_leaf(void *arg, uint64_t va, int level, pte_t *entry)
{
	(void)level;
	if ((*entry & PTE_U) || ((*entry & PTE_W) && !(*entry & PTE_NX)))
		panic("kernel mapping of %#llx is for users, or writable and executable: %#llx",
		      (unsigned long long)va, (unsigned long long)*entry);
	++*(uint64_t *)arg;
	return 0;
}

static uint64_t
read_word(struct aspace *as, uint64_t va)
{
	uint64_t word;

	assert(copy_in(as, &word, va, sizeof word) == 0);
	return word;
}

static void
write_word(struct aspace *as, uint64_t va, uint64_t word)
{
	assert(copy_out(as, va, &word, sizeof word) == 0);
}

/* Two spaces share memory copy-on-write; each sees its own writes only. */
static void
check_copy(struct aspace *a, struct aspace *b, uint64_t va)
{
	write_word(a, va, 1);
	assert(aspace_copy(b, a) == 0);
	assert(read_word(b, va) == 1);
	write_word(b, va, 2);
	assert(read_word(a, va) == 1 && read_word(b, va) == 2);
	write_word(a, va, 3);
	assert(read_word(b, va) == 2 && read_word(b, va + PAGE_SIZE) == 0);
}

static void
check_rights(struct aspace *as, uint64_t va)
{
	assert(aspace_fault(as, va, ACCESS_EXEC) < 0);
	assert(aspace_fault(as, DIRECT_BASE, ACCESS_READ) < 0);
	assert(aspace_fault(as, va - PAGE_SIZE, ACCESS_READ) < 0);
	assert(aspace_map_zero(as, va, PAGE_SIZE, PTE_W | PTE_NX) < 0);
	assert(aspace_map_zero(as, UTEXT, PAGE_SIZE, PTE_W) < 0);
	assert(aspace_unmap(as, va, PAGE_SIZE) == 0);
	assert(aspace_fault(as, va, ACCESS_READ) < 0);
}

void
pmap_check(void)
{
	const uint64_t size = LARGE_PAGE_SIZE + 2 * PAGE_SIZE;
	struct page_counts before, after;
	struct aspace *a, *b;
	uint64_t leaves = 0;

	pt_visit(&kernel_pt, DIRECT_BASE, UINT64_MAX, check_kernel_leaf, &leaves);
	assert(leaves);

	page_counts(&before);
	a = aspace_create();
	b = aspace_create();
	assert(a && b && a->pt.root != b->pt.root);
	if (aspace_map_zero(a, UVM_RAM, size, PTE_W | PTE_NX) == 0) {
		check_copy(a, b, UVM_RAM);
		check_rights(b, UVM_RAM);
	}
	aspace_put(a);
	aspace_put(b);
	page_counts(&after);
	assert(counts_equal(&before, &after));
}
