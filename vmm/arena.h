#ifndef NESTLING_VMM_ARENA_H
#define NESTLING_VMM_ARENA_H

#include <stdint.h>

/*
 * An arena holds the objects of one owner, packed into pages by first fit.  No object crosses a
 * page, and all are freed together.  An arena of zeros is empty.
 */
enum { ARENA_PAGES = 10 };
struct arena {
	struct {
		char *start;
		uint32_t used; /* bytes */
	} page[ARENA_PAGES];
	unsigned int count;
};

/* Returns `size` zeroed bytes, aligned to a power of 2.  NULL: no memory, the arena has all its
 * pages, or size is more than a page. */
void *arena_alloc(struct arena *a, uint32_t size, uint32_t align);
void arena_free(struct arena *a);
void arena_pages(const struct arena *a, void (*fn)(const void *page)); /* calls fn for each page */

#endif
