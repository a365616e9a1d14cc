#include "vmm/arena.h"

#include "inc/mmu.h"
#include "inc/x86.h"
#include "vmm/vmm.h"

void *
arena_alloc(struct arena *a, uint32_t size, uint32_t align)
{
	unsigned int i = 0;
	uint32_t at;

	while (i < a->count && ROUND_UP(a->page[i].used, align) + size > PAGE_SIZE)
		i++;
	if (i == a->count) {
		if (size > PAGE_SIZE || a->count == ARENA_PAGES ||
		    !(a->page[i].start = host_page()))
			return NULL;
		a->page[i].used = 0;
		a->count++;
	}
	at = ROUND_UP(a->page[i].used, align);
	a->page[i].used = at + size;
	return a->page[i].start + at;
}

void
arena_free(struct arena *a)
{
	while (a->count)
		host_page_free(a->page[--a->count].start);
}

void
arena_pages(const struct arena *a, void (*fn)(const void *page))
{
	for (unsigned int i = 0; i < a->count; i++)
		fn(a->page[i].start);
}
