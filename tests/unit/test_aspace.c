// SOURCES: kern/step.c tests/unit/ram.c tests/unit/spaces.c
#include "tests/unit/ram.h"

#include <string.h>

#include "inc/x86.h"

#include "kern/mem/aspace.c"
#include "kern/mem/fault.c"
#include "kern/mem/page.c"
#include "kern/mem/pt.c"
#include "kern/mem/usercopy.c"

#include "tests/unit/spaces.h"

/*
 * Random use of address spaces, beside a plain model: zero-on-demand memory, copies, shared pages
 * and mapped files.  The memory is so small that it runs out and breaks up.  After every step the
 * number of promises is the one that the entries need, and each frame that a watcher or a TLB
 * remembers is still the right one.
 */

enum {
	RAM_MIB = 14,
	FILE_PAGES = 8,
	STEPS = 5000,
};

struct pt kernel_pt;
static struct page *file[FILE_PAGES];
static uint64_t seed;

static void
map_zero(struct space *s, unsigned int page, unsigned int count)
{
	bool writable = random_below(&seed, 5) != 0;
	bool occupied_before = false;
	int err;

	for (unsigned int i = page; i < page + count; i++)
		occupied_before = occupied_before || s->page[i].cell;
	err = aspace_map_zero(s->as, page_va(page), count * (uint64_t)PAGE_SIZE,
	                      PTE_NX | (writable ? PTE_W : 0));
	if (occupied_before) {
		assert_int_equal(err, -E_EXISTS);
		return;
	}
	if (err) {
		assert_int_equal(err, -E_NO_MEM);
		return;
	}
	for (unsigned int i = page; i < page + count; i++)
		s->page[i] = (struct model){.cell = cell_new(0), .writable = writable};
}

static void
unmap(struct space *s, unsigned int page, unsigned int count)
{
	int err = aspace_unmap(s->as, page_va(page), count * (uint64_t)PAGE_SIZE);

	if (err) { /* a frame of 2 MiB could not be split */
		assert_int_equal(err, -E_NO_MEM);
		return;
	}
	for (unsigned int i = page; i < page + count; i++)
		model_clear(&s->page[i]);
}

static void
map_file(struct space *s, unsigned int page, unsigned int count)
{
	(void)count;
	for (unsigned int i = 0; i < FILE_PAGES && page + i < WINDOW_PAGES; i++) {
		bool private = random_below(&seed, 2);
		int err = aspace_map_page(s->as, page_va(page + i), file[i],
		                          PTE_NX | (private ? PTE_COW : 0));

		if (s->page[page + i].cell)
			assert_int_equal(err, -E_EXISTS);
		else if (!err)
			s->page[page + i] =
			        (struct model){.cell = cell_new(i + 1), .writable = private};
		else
			assert_int_equal(err, -E_NO_MEM);
	}
}

static void
write_page(struct space *s, unsigned int page, unsigned int count)
{
	struct model *m = &s->page[page];
	uint64_t value = ++seed;
	int err = copy_out(s->as, page_va(page), &value, sizeof value);

	(void)count;
	assert_int_equal(err, m->cell && m->writable ? 0 : -E_FAULT);
	if (!err)
		cells[m->cell].value = value;
}

static void
read_page(struct space *s, unsigned int page, unsigned int count)
{
	const struct model *m = &s->page[page];
	uint64_t value;
	int err = copy_in(s->as, &value, page_va(page), sizeof value);

	(void)count;
	assert_int_equal(err, m->cell ? 0 : -E_FAULT);
	if (!err)
		assert_int_equal(value, cells[m->cell].value);
}

/* A guest touches the page, and the nested table remembers its frame. */
static void
touch(struct space *s, unsigned int page, unsigned int count)
{
	int access = random_below(&seed, 2) ? ACCESS_WRITE : ACCESS_READ;
	const struct model *m = &s->page[page];
	int err = aspace_frame(s->as, page_va(page), access, &s->seen[page]);

	(void)count;
	if (err)
		s->seen[page].size = 0;
	assert_int_equal(!err, m->cell && (access == ACCESS_READ || m->writable));
}

/* A process touches the page, and the TLB of a CPU remembers its frame. */
static void
run(struct space *s, unsigned int page, unsigned int count)
{
	int access = random_below(&seed, 2) ? ACCESS_WRITE : ACCESS_READ;
	struct frame f;

	(void)count;
	if (aspace_frame(s->as, page_va(page), access, &f) == 0)
		s->tlb[random_below(&seed, CPUS)][page] = f;
}

/* A process forks. */
static void
copy(struct space *s, unsigned int page, unsigned int count)
{
	struct space *dst = &spaces[random_below(&seed, SPACES)];
	int err;

	(void)page;
	(void)count;
	if (dst == s)
		return;
	if (dst->as)
		space_drop(dst);
	space_create(dst);
	if (!dst->as)
		return;
	err = aspace_copy(dst->as, s->as);
	if (err) {
		assert_int_equal(err, -E_NO_MEM);
		space_drop(dst);
		return;
	}
	for (unsigned int i = 0; i < WINDOW_PAGES; i++) {
		struct model m = s->page[i];

		if (m.cell && m.shared)
			cells[m.cell].refs++;
		else if (m.cell)
			m.cell = cell_new(cells[m.cell].value);
		dst->page[i] = m;
	}
}

/* A page is sent to another process. */
static void
share(struct space *s, unsigned int page, unsigned int count)
{
	struct space *dst = &spaces[random_below(&seed, SPACES)];
	unsigned int to = random_below(&seed, WINDOW_PAGES);
	struct model *m = &s->page[page];
	struct page *p;
	uint64_t perm;
	int err;

	(void)count;
	if (dst == s || !dst->as || dst->page[to].cell)
		return;
	err = aspace_share(s->as, page_va(page), &p, &perm);
	assert_int_equal(err == -E_FAULT, !m->cell);
	if (err)
		return;
	m->shared = m->shared || m->writable;
	assert_int_equal(!!(perm & PTE_W), m->writable);
	if (aspace_map_page(dst->as, page_va(to), p, perm) < 0)
		return;
	dst->page[to] = *m;
	dst->page[to].shared = true;
	if (m->shared)
		cells[m->cell].refs++;
	else /* both read the page only, so in the model each may have its own copy */
		dst->page[to].cell = cell_new(cells[m->cell].value);
}

/* How many copy-on-write entries, of 4 KiB or 2 MiB, map each page. */
static unsigned int copies[RAM_MIB * MIB / PAGE_SIZE];

static int
count_entry(void *arg, uint64_t va, int level, pte_t *entry)
{
	uint64_t *promises = arg;
	uint64_t n = level == 2 ? FRAME_PAGES : 1;

	(void)va;
	if (!(*entry & PTE_P))
		*promises += n;
	*promises += level == 2; /* splitting it takes a table */
	for (uint64_t i = 0; i < n && (*entry & PTE_COW); i++)
		copies[((*entry & PTE_ADDR) >> PAGE_SHIFT) + i]++;
	return 0;
}

/* All sharers of a page but one may need a copy; the last one, too, if the page has other users. */
static void
check_promises(void)
{
	uint64_t promises = 0;

	memset(copies, 0, sizeof copies);
	for (int i = 0; i < SPACES; i++)
		if (spaces[i].as)
			pt_visit(&spaces[i].as->pt, 0, ULIM, count_entry, &promises);
	for (unsigned int i = 0; i < ARRAY_SIZE(copies); i++) {
		const struct page *head = head_of(&page_frames[i]);

		if (copies[i])
			promises += copies[i] -
			            (page_frames[i].refs + (head->compound ? head->large : 0) ==
			             copies[i]);
	}
	assert_int_equal(promises, reserved_pages);
	assert_true(reserved_pages <= free_pages);
}

/* Each frame that is remembered is still mapped at its address, and is writable if it was. */
static void
check_seen(struct space *s, const struct frame seen[WINDOW_PAGES])
{
	for (unsigned int i = 0; i < WINDOW_PAGES; i++) {
		const struct frame *f = &seen[i];
		uint64_t va = page_va(i);
		int level;
		pte_t e;

		if (!f->size)
			continue;
		e = *pt_lookup(&s->as->pt, va, &level);
		assert_true(e & PTE_P);
		assert_int_equal((e & PTE_ADDR) + (va & (pt_span(level) - 1)),
		                 f->pa + (va & (f->size - 1)));
		assert_true(!f->writable || (e & PTE_W));
	}
}

static void
check_watchers_and_tlbs(void)
{
	for (struct space *s = spaces; s < spaces + SPACES; s++) {
		if (!s->as)
			continue;
		assert_false(s->as->held);
		check_seen(s, s->seen);
		for (int cpu = 0; cpu < CPUS; cpu++)
			check_seen(s, s->tlb[cpu]);
	}
}

static void
check_contents(void)
{
	for (int i = 0; i < SPACES; i++)
		for (unsigned int j = 0; spaces[i].as && j < WINDOW_PAGES; j++)
			read_page(&spaces[i], j, 1);
}

/* Makes the range small, or lets it cover whole frames. */
static void
random_range(unsigned int *page, unsigned int *count)
{
	*count = 1 + random_below(&seed, 16);
	if (random_below(&seed, 2)) {
		*page = ROUND_DOWN(*page, FRAME_PAGES);
		*count = FRAME_PAGES * (1 + random_below(&seed, FRAMES));
	}
	if (random_below(&seed, 4) == 0)
		*count += random_below(&seed, FRAME_PAGES);
	if (*count > WINDOW_PAGES - *page)
		*count = WINDOW_PAGES - *page;
}

static void
operate(struct space *s)
{
	static const struct {
		unsigned int weight;
		void (*run)(struct space *s, unsigned int page, unsigned int count);
	} operations[] = {
	        {30, write_page}, {20, read_page}, {30, touch}, {14, map_zero}, {6, unmap},
	        {2, map_file},    {4, copy},       {6, share},  {30, run},
	};
	unsigned int page = random_below(&seed, WINDOW_PAGES), count, i = 0;
	unsigned int choice = random_below(&seed, 142);

	random_range(&page, &count);
	while (choice >= operations[i].weight)
		choice -= operations[i++].weight;
	operations[i].run(s, page, count);
}

static void
random_step(void)
{
	struct space *s = &spaces[random_below(&seed, SPACES)];
	uint64_t left = random_below(&seed, 4), taken = 0;

	/* Sometimes nearly all memory is promised. */
	if (random_below(&seed, 10) == 0 && free_pages - reserved_pages > left) {
		taken = free_pages - reserved_pages - left;
		assert_int_equal(page_reserve(taken), 0);
	}
	if (!s->as)
		space_create(s);
	else if (random_below(&seed, 150) == 0)
		space_drop(s);
	else
		operate(s);
	page_unreserve(taken);
}

static int
set_up(void **state)
{
	const struct mem_range range = {0, RAM_MIB * MIB, MEM_RAM};

	(void)state;
	ram_map(range.size);
	page_init(&range, 1, range.size);
	assert_int_equal(pt_init(&kernel_pt, &pt_host), 0);
	for (unsigned int i = 0; i < FILE_PAGES; i++) {
		file[i] = page_alloc(PAGE_ZERO);
		*(uint64_t *)kva(page_pa(file[i])) = i + 1;
	}
	return 0;
}

static void
random_use(void **state)
{
	struct page_counts before, after;

	page_counts(&before);
	seed = *(unsigned int *)*state;
	for (int i = 0; i < STEPS; i++) {
		random_step();
		check_promises();
		if (i % 20 == 0)
			check_watchers_and_tlbs();
		if (i % 400 == 0)
			check_contents();
	}
	check_contents();
	for (int i = 0; i < SPACES; i++)
		if (spaces[i].as)
			space_drop(&spaces[i]);
	page_counts(&after);
	assert_memory_equal(&before, &after, sizeof before);
	for (unsigned int i = 0; i < FILE_PAGES; i++) {
		assert_true(page_exclusive(file[i]));
		assert_int_equal(*(uint64_t *)kva(page_pa(file[i])), i + 1);
	}
}

static void
arguments(void **state)
{
	static const struct {
		uint64_t va, size, perm;
	} bad[] = {
	        {WINDOW + 1, PAGE_SIZE, PTE_NX},
	        {WINDOW, 0, PTE_NX},
	        {WINDOW, PAGE_SIZE + 1, PTE_NX},
	        {0, PAGE_SIZE, PTE_NX},
	        {USER_END, PAGE_SIZE, PTE_NX},
	        {USER_END - PAGE_SIZE, 2 * PAGE_SIZE, PTE_NX},
	        {WINDOW, -(uint64_t)PAGE_SIZE, PTE_NX},
	        {DIRECT_BASE | 1ull << 63, PAGE_SIZE, PTE_NX},
	        {WINDOW, PAGE_SIZE, PTE_W},
	        {WINDOW, PAGE_SIZE, PTE_NX | PTE_PCD},
	};
	struct aspace *as = aspace_create();
	char text[8];

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(aspace_map_zero(as, bad[i].va, bad[i].size, bad[i].perm),
		                 -E_INVAL);
	assert_int_equal(aspace_map_zero(as, USER_END - PAGE_SIZE, PAGE_SIZE, PTE_NX | PTE_W), 0);
	assert_int_equal(copy_out(as, USER_END - 4, "abcd", 4), 0);
	assert_int_equal(copy_out(as, USER_END - 4, "abcde", 5), -E_FAULT);
	assert_int_equal(copy_in_string(as, text, USER_END - 4, sizeof text), -E_FAULT);
	assert_int_equal(copy_in_string(as, text, USER_END - 4, 4), -E_INVAL);
	assert_int_equal(copy_out(as, USER_END - 4, "abc", 4), 0);
	assert_int_equal(copy_in_string(as, text, USER_END - 4, 4), 0);
	assert_string_equal(text, "abc");
	assert_int_equal(user_touch(as, USER_END - 8, UINT64_MAX, ACCESS_READ), -E_FAULT);
	aspace_put(as);
}

int
main(void)
{
	static unsigned int seeds[] = {1, 2, 3};
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_prestate(random_use, &seeds[0]),
	        cmocka_unit_test_prestate(random_use, &seeds[1]),
	        cmocka_unit_test_prestate(random_use, &seeds[2]),
	        cmocka_unit_test(arguments),
	};

	return cmocka_run_group_tests(tests, set_up, NULL);
}
