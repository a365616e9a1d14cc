#include "tests/unit/pages.h"

#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "kern/mem/page.h"
#include "tests/unit/unit.h"

unsigned int pages_max = PAGES_LIMIT, pages_used, pages_promised;

static struct heap_page {
	struct page page;
	void *memory;
} pages[PAGES_LIMIT];

struct page *
page_alloc(int flags)
{
	assert_int_equal(flags & ~(PAGE_ZERO | PAGE_PROMISED), PAGE_KERNEL);
	if (flags & PAGE_PROMISED)
		page_unreserve(1);
	if (pages_used + pages_promised >= pages_max)
		return NULL;
	for (unsigned int i = 0; i < PAGES_LIMIT; i++) {
		if (pages[i].memory)
			continue;
		pages[i].memory = aligned_alloc(PAGE_SIZE, PAGE_SIZE);
		memset(pages[i].memory, flags & PAGE_ZERO ? 0 : 0xa5, PAGE_SIZE);
		pages_used++;
		return &pages[i].page;
	}
	return NULL;
}

/* kva() adds DIRECT_BASE.  So a page's physical address is its real address less DIRECT_BASE, and
 * the sum wraps round to the real address. */
uint64_t
page_pa(const struct page *p)
{
	return (uintptr_t)((const struct heap_page *)p)->memory - DIRECT_BASE;
}

struct page *
pa_page(uint64_t pa)
{
	for (unsigned int i = 0; i < PAGES_LIMIT; i++)
		if (pages[i].memory == kva(pa))
			return &pages[i].page;
	fail_msg("%#lx is not a page", pa);
	return NULL;
}

void
page_unref(struct page *p)
{
	struct heap_page *heap = (struct heap_page *)p;

	free(heap->memory);
	heap->memory = NULL;
	pages_used--;
}

int
page_reserve(uint64_t n)
{
	if (pages_used + pages_promised + n > pages_max)
		return -E_NO_MEM;
	pages_promised += n;
	return 0;
}

void
page_unreserve(uint64_t n)
{
	assert_true(n <= pages_promised);
	pages_promised -= n;
}
