// SOURCES: kern/step.c tests/unit/ram.c
#include "tests/unit/ram.h"

#include <string.h>

#include "kern/mem/page.c"

/* The frame allocator: its memory map at the start, and random use beside a model. */

enum { RAM_MIB = 24, PAGES_MAX = RAM_MIB * 256 };

static uint64_t seed;

/* Puts the allocator back to its state before boot, with new memory. */
static void
start(const struct mem_range *ranges, unsigned int count)
{
	page_frames = NULL;
	page_total = ram_end = 0;
	small_list.next = small_list.prev = &small_list;
	large_list.next = large_list.prev = &large_list;
	ram_pages = free_pages = reserved_pages = whole_frames = loose_frames = 0;
	ram_map(RAM_MIB * MIB);
	page_init(ranges, count, RAM_MIB * MIB);
}

static int
set_up(void **state)
{
	const struct mem_range range = {0, RAM_MIB * MIB, MEM_RAM};

	(void)state;
	seed = 1;
	start(&range, 1);
	return 0;
}

/* Checks that the pages in the free lists are as many as the counts say. */
static void
check_lists(void)
{
	uint64_t free = 0, whole = 0, loose = 0;

	for (struct page *head = page_frames; head < page_frames + page_total;
	     head += FRAME_PAGES) {
		unsigned int used = 0;

		for (int i = 0; i < FRAME_PAGES; i++)
			used += head[i].refs || !head[i].ram;
		assert_int_equal(used, head->used);
		if (head->compound) {
			whole += head->large == 0;
			free += head->large == 0 ? FRAME_PAGES : 0;
		} else {
			loose += used == 0;
			free += FRAME_PAGES - used;
		}
	}
	assert_int_equal(free, free_pages);
	assert_int_equal(whole, whole_frames);
	assert_int_equal(loose, loose_frames);
	assert_true(reserved_pages <= free_pages);
}

static void
memory_map(void **state)
{
	const struct mem_range ranges[] = {
	        {0x1000, 0x9e000, MEM_RAM},                   /* below 1 MiB: never used */
	        {2 * MIB, 16 * MIB + 0x800, MEM_RAM},         /* ends inside a page */
	        {8 * MIB + 0x10, 0x1000, MEM_HOLE},           /* touches two pages */
	        {2 * MIB, 0x3001, MEM_BUSY},                  /* touches four */
	        {PAGE_RAM_LIMIT - MIB, 1ull << 40, MEM_HOLE}, /* an end above every limit */
	        {PAGE_RAM_LIMIT * 2, 1ull << 40, MEM_RAM},    /* RAM above the limit */
	        {UINT64_MAX - 10, 100, MEM_HOLE},             /* an end past 2^64 */
	        {5 * MIB, 0, MEM_BUSY},
	};
	struct page_counts c;
	uint64_t array;

	(void)state;
	start(ranges, ARRAY_SIZE(ranges));
	check_lists();
	array = ROUND_UP(page_total * sizeof *page_frames, PAGE_SIZE) / PAGE_SIZE;
	page_counts(&c);
	assert_int_equal(page_ram_end(), 18 * MIB + 0x800);
	assert_int_equal(c.total, 16 * MIB / PAGE_SIZE - 2);
	assert_int_equal(c.free, c.total - 4 - array);
	assert_null(pa_page(0));
	assert_null(pa_page(2 * MIB - PAGE_SIZE));
	assert_null(pa_page(8 * MIB));
	assert_null(pa_page(8 * MIB + PAGE_SIZE));
	assert_non_null(pa_page(8 * MIB + 2 * PAGE_SIZE));
	assert_null(pa_page(18 * MIB));
	assert_null(pa_page(UINT64_MAX));
	/* The array of pages lies behind the busy memory, and is busy itself. */
	assert_int_equal(kva_pa(page_frames), 2 * MIB + 4 * PAGE_SIZE);
	assert_int_equal(pa_page(kva_pa(page_frames))->refs, 1);
	/* Busy memory can be freed. */
	page_unref(pa_page(2 * MIB));
	check_lists();
}

static void
too_little_memory(void **state)
{
	const struct mem_range none = {0, MIB, MEM_RAM};
	const struct mem_range low = {0, MIB + 2 * PAGE_SIZE, MEM_RAM};

	(void)state;
	expect_assert_failure(start(&none, 1));
	expect_assert_failure(start(&low, 1));
}

/* The pages and frames that the test holds, marked with their addresses. */
static struct page *held[PAGES_MAX];
static bool held_large[PAGES_MAX];
static unsigned int held_count;

static void
hold(struct page *p, bool large)
{
	uint64_t size = large ? LARGE_PAGE_SIZE : PAGE_SIZE;

	for (uint64_t off = 0; off < size; off += PAGE_SIZE)
		*(uint64_t *)kva(page_pa(p) + off) = page_pa(p) + off;
	held[held_count] = p;
	held_large[held_count++] = large;
}

static void
let_go(unsigned int i)
{
	struct page *p = held[i];
	uint64_t size = held_large[i] ? LARGE_PAGE_SIZE : PAGE_SIZE;

	/* The mark is still there, so nobody else got the page. */
	for (uint64_t off = 0; off < size; off += PAGE_SIZE)
		assert_int_equal(*(uint64_t *)kva(page_pa(p) + off), page_pa(p) + off);
	if (held_large[i])
		page_unref_large(p);
	else
		page_unref(p);
	held[i] = held[--held_count];
	held_large[i] = held_large[held_count];
}

static void
take(bool large)
{
	uint64_t n = large ? FRAME_PAGES : 1;
	bool zero = random_below(&seed, 2), promised = random_below(&seed, 2);
	int flags = (zero ? PAGE_ZERO : 0) | (promised ? PAGE_PROMISED : 0);
	bool possible = large ? whole_frames + loose_frames > 0 : true;
	struct page *p;

	if (promised && page_reserve(n) < 0)
		return;
	possible = possible && (promised || free_pages - reserved_pages >= n);
	p = large ? page_alloc_large(flags) : page_alloc(flags);
	assert_true(possible == (p != NULL));
	if (!p) {
		page_unreserve(promised ? n : 0);
		return;
	}
	if (zero)
		for (uint64_t off = 0; off < n * PAGE_SIZE; off += 8)
			assert_int_equal(*(uint64_t *)kva(page_pa(p) + off), 0);
	hold(p, large);
}

/* A whole frame is freed page by page. */
static void
take_apart(unsigned int i)
{
	struct page *head = held[i];

	if (!held_large[i])
		return;
	for (int j = 0; j < FRAME_PAGES; j++)
		page_ref(&head[j]);
	assert_int_equal(page_shared_large(head), FRAME_PAGES);
	assert_false(page_exclusive(&head[3]));
	page_unref_large(head);
	assert_true(page_exclusive(&head[3]));
	held_large[i] = false;
	for (int j = 1; j < FRAME_PAGES; j++) {
		held[held_count] = &head[j];
		held_large[held_count++] = false;
	}
}

static void
random_use(void **state)
{
	struct page_counts before, after;

	(void)state;
	page_counts(&before);
	for (int i = 0; i < 20000; i++) {
		/* For a while more pages are taken than freed, then the other way round. */
		bool growing = i / 2000 % 2 == 0;

		if (!held_count || random_below(&seed, 10) < (growing ? 7 : 3))
			take(random_below(&seed, 40) == 0);
		else if (random_below(&seed, 200) == 0)
			take_apart(random_below(&seed, held_count));
		else
			let_go(random_below(&seed, held_count));
		if (i % 500 == 0)
			check_lists();
	}
	while (held_count)
		let_go(random_below(&seed, held_count));
	check_lists();
	page_counts(&after);
	assert_memory_equal(&before, &after, sizeof before);
}

/* Memory that is taken and freed page by page becomes whole frames again. */
static void
joining(void **state)
{
	struct page_counts before, after;
	struct page *p;

	(void)state;
	page_counts(&before);
	while ((p = page_alloc(0)) != NULL)
		hold(p, false);
	assert_null(page_alloc_large(0));
	while (held_count)
		let_go(random_below(&seed, held_count));
	for (uint64_t i = 0; i < before.large; i++) {
		p = page_alloc_large(0);
		assert_non_null(p);
		hold(p, true);
	}
	assert_null(page_alloc_large(0));
	check_lists();
	while (held_count)
		let_go(0);
	page_counts(&after);
	assert_memory_equal(&before, &after, sizeof before);
}

static void
lowest_first(void **state)
{
	(void)state;
	assert_true(page_pa(page_alloc(0)) < 2 * MIB);
}

/* Every misuse of a reference or a promise panics. */
static void
misuse(void **state)
{
	struct page *p = page_alloc(0), *head = page_alloc_large(0);
	struct page_counts c;

	(void)state;
	page_unref(p);
	expect_assert_failure(page_unref(p));
	expect_assert_failure(page_ref(p));
	expect_assert_failure(page_unref(head));
	expect_assert_failure(page_ref_large(head + 1));
	expect_assert_failure(page_unref_large(p));
	page_unref_large(head);
	expect_assert_failure(page_unref_large(head));
	expect_assert_failure(page_ref_large(head));
	expect_assert_failure(page_ref(head + 1));
	page_counts(&c);
	expect_assert_failure(page_unreserve(1));
	expect_assert_failure(page_alloc(PAGE_PROMISED));
	assert_int_equal(page_reserve(c.free + 1), -E_NO_MEM);
	assert_int_equal(page_reserve(UINT64_MAX), -E_NO_MEM);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(memory_map),
	        cmocka_unit_test(too_little_memory),
	        cmocka_unit_test_setup(random_use, set_up),
	        cmocka_unit_test_setup(joining, set_up),
	        cmocka_unit_test_setup(lowest_first, set_up),
	        cmocka_unit_test_setup(misuse, set_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
