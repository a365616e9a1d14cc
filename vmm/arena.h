#ifndef NESTLING_VMM_ARENA_H
#define NESTLING_VMM_ARENA_H

#include <stdint.h>

/*
 * Objects of one owner, packed into as few pages as first fit finds: none crosses a page, and all
 * are freed together.  An arena of zeros is empty.
 */
enum { ARENA_PAGES = 10 };
struct arena {
	struct {
		char *start;
		uint32_t used; /* bytes */
	} page[ARENA_PAGES];
	unsigned int count;
};

/* Zeroed memory; align is a power of 2.  NULL without memory, or for more than a page. */
void *arena_alloc(struct arena *a, uint32_t size, uint32_t align);
void arena_free(struct arena *a);
void arena_pages(const struct arena *a, void (*fn)(const void *page)); /* calls fn for each */

#endif
