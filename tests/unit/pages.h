#ifndef NESTLING_TESTS_UNIT_PAGES_H
#define NESTLING_TESTS_UNIT_PAGES_H

/*
 * A page allocator that takes pages from the heap.  Tests of page tables link it instead of
 * kern/mem/page.c.  Every page is an allocation of its own, so that the sanitizer sees an access
 * beside a page, or after it was freed.
 */

enum { PAGES_LIMIT = 4096 };

/* How many pages there are, at most PAGES_LIMIT; and how many are allocated and promised. */
extern unsigned int pages_max, pages_used, pages_promised;

#endif
