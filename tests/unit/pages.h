#ifndef NESTLING_TESTS_UNIT_PAGES_H
#define NESTLING_TESTS_UNIT_PAGES_H

/*
 * The page allocator, over the heap: what tests of page tables link instead of kern/mem/page.c.
 * Every table is an allocation of its own, so that the sanitizer sees an access beside it or after
 * it was freed.
 */

enum { PAGES_LIMIT = 4096 };

/* There is memory for so many, at most PAGES_LIMIT; and what of it is allocated and promised. */
extern unsigned int pages_max, pages_used, pages_promised;

#endif
