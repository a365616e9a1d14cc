// SOURCES: vmm/arena.c
#include <stdlib.h>
#include <string.h>

#include "inc/mmu.h"
#include "inc/x86.h"
#include "tests/unit/unit.h"
#include "vmm/arena.h"

/* Objects are packed into pages: aligned, apart, none across a page's end, and all are freed. */

void *host_page(void);
void host_page_free(void *page);

static unsigned int pages_out, pages_left;

void *
host_page(void)
{
	if (!pages_left)
		return NULL;
	pages_left--;
	pages_out++;
	return memset(aligned_alloc(PAGE_SIZE, PAGE_SIZE), 0, PAGE_SIZE);
}

void
host_page_free(void *page)
{
	pages_out--;
	free(page);
}

static int
set_up(void **state)
{
	(void)state;
	pages_left = 100;
	return 0;
}

static void
test_first_fit(void **state)
{
	struct arena a = {0};
	char *big = arena_alloc(&a, 3000, 8), *other = arena_alloc(&a, 3000, 8);
	char *small = arena_alloc(&a, 1000, 64);

	(void)state;
	assert_int_equal(a.count, 2);
	assert_ptr_not_equal(big, other);
	assert_ptr_equal(small, big + 3008); /* the rest of the first page */
	assert_int_equal((uintptr_t)small % 64, 0);
	assert_non_null(arena_alloc(&a, PAGE_SIZE, 8));
	assert_int_equal(a.count, 3);
	arena_free(&a);
	assert_int_equal(a.count, 0);
	assert_int_equal(pages_out, 0);
}

static void
test_nothing_crosses_a_page(void **state)
{
	struct arena a = {0};

	(void)state;
	for (uint32_t size = 1; size < 400; size += 7) {
		char *p = arena_alloc(&a, size, 8);

		assert_non_null(p);
		assert_int_equal((uintptr_t)p / PAGE_SIZE, ((uintptr_t)p + size - 1) / PAGE_SIZE);
		for (uint32_t i = 0; i < size; i++)
			assert_int_equal(p[i], 0);
		memset(p, 0xff, size); /* the next object must be zero all the same */
	}
	arena_free(&a);
	assert_int_equal(pages_out, 0);
}

static void
test_limits(void **state)
{
	struct arena a = {0};

	(void)state;
	assert_null(arena_alloc(&a, PAGE_SIZE + 1, 8));
	for (unsigned int i = 0; i < ARENA_PAGES; i++)
		assert_non_null(arena_alloc(&a, PAGE_SIZE, 8));
	assert_null(arena_alloc(&a, 1, 1));
	arena_free(&a);
	pages_left = 0;
	assert_null(arena_alloc(&a, 1, 1));
	assert_int_equal(pages_out, 0);
}

#define TEST(name) cmocka_unit_test_setup(name, set_up)
UNIT_MAIN(TEST(test_first_fit), TEST(test_nothing_crosses_a_page), TEST(test_limits))
