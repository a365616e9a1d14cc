// SOURCES: kern/mem/pt.c kern/step.c tests/unit/pages.c
#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/mem/pt.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "tests/unit/pages.h"
#include "tests/unit/unit.h"

/* A format with software markers: entries that are neither present nor zero. */
static const struct pt_format format = {
        .name = "test",
        .present = PTE_P,
        .table = PTE_P | PTE_W | PTE_U,
        .large = PTE_PS,
        .write = PTE_W,
};
enum { MARKER = 0x800, LEAF = PTE_P | PTE_W | PTE_A };

static struct pt pt;

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	fail_msg("%s:%d: %s", file, line, fmt);
	abort();
}

static int
setup(void **state)
{
	(void)state;
	pages_max = PAGES_LIMIT;
	assert_int_equal(pt_init(&pt, &format), 0);
	return 0;
}

static int
teardown(void **state)
{
	(void)state;
	pt_free(&pt, 0, PT_ENTRIES - 1, true);
	assert_int_equal(pages_used, 0);
	assert_int_equal(pages_promised, 0);
	assert_int_equal(pt.tables, 0);
	return 0;
}

static pte_t *
ensure(uint64_t va, int level)
{
	pte_t *entry = NULL;

	assert_int_equal(pt_ensure(&pt, va, level, &entry), 0);
	assert_non_null(entry);
	return entry;
}

static void
split(pte_t *entry)
{
	assert_int_equal(pt_promise(&pt, 1), 0);
	pt_split(&pt, entry);
}

static void
test_geometry(void **state)
{
	(void)state;
	assert_int_equal(pt_span(1), 4096);
	assert_int_equal(pt_span(2), 2 << 20);
	assert_int_equal(pt_span(4), 512ull << 30);
	assert_int_equal(pt_index(0x7fffffffffff, 4), 255);
	assert_int_equal(pt_index(0xffff800000000000, 4), 256);
	assert_int_equal(pt_index(0x201000, 1), 1);
	assert_int_equal(pt_index(0x201000, 2), 1);
}

static void
test_lookup_and_ensure(void **state)
{
	int level;

	(void)state;
	assert_int_equal(pt.tables, 1);
	assert_int_equal(*pt_lookup(&pt, 0x123456789000, &level), 0);
	assert_int_equal(level, 4);
	*ensure(0x123456789000, 1) = 0xabc000 | LEAF;
	assert_int_equal(pt.tables, 4);
	assert_int_equal(*pt_lookup(&pt, 0x123456789fff, &level), 0xabc000 | LEAF);
	assert_int_equal(level, 1);
	assert_int_equal(*pt_lookup(&pt, 0x12345678a000, &level), 0);
	assert_int_equal(level, 1);
	*ensure(0x123456a00000, 2) = 0x600000 | LEAF | PTE_PS;
	assert_int_equal(pt.tables, 4); /* all tables existed already */
	assert_int_equal(*pt_lookup(&pt, 0x123456bff000, &level), 0x600000 | LEAF | PTE_PS);
	assert_int_equal(level, 2);
	/* The bit that means "large" at other levels is part of the memory type at level 1. */
	*ensure(0x12345678b000, 1) = 0xabc000 | LEAF | PTE_PS;
	pt_lookup(&pt, 0x12345678b000, &level);
	assert_int_equal(level, 1);
}

static void
test_ensure_in_the_way(void **state)
{
	pte_t *entry;

	(void)state;
	*ensure(0x200000, 2) = 0x600000 | LEAF | PTE_PS;
	assert_int_equal(pt_ensure(&pt, 0x201000, 1, &entry), -E_EXISTS);
	*ensure(0x400000, 2) = MARKER;
	assert_int_equal(pt_ensure(&pt, 0x401000, 1, &entry), -E_EXISTS);
	assert_ptr_equal(ensure(0x401000, 2), ensure(0x400000, 2));
}

/* Memory runs out at every step; the tables made so far stay usable. */
static void
test_no_memory(void **state)
{
	pte_t *entry;
	struct pt other;

	(void)state;
	for (pages_max = 1; pages_max < 4; pages_max++)
		assert_int_equal(pt_ensure(&pt, 0x1000, 1, &entry), -E_NO_MEM);
	*ensure(0x1000, 1) = LEAF;
	*ensure(0x200000, 2) = LEAF | PTE_PS;
	assert_int_equal(pt_promise(&pt, 1), -E_NO_MEM);
	assert_int_equal(pt.promised, 0);
	assert_int_equal(pt_init(&other, &format), -E_NO_MEM);
}

/* Promised tables can be made when there is no other memory; the root's end ends the other
 * promises. */
static void
test_promises(void **state)
{
	pte_t *entry;

	(void)state;
	assert_int_equal(pt_promise(&pt, 5), 0);
	pages_max = pages_used + pages_promised;
	assert_int_equal(pt_ensure(&pt, 0x1000, 1, &entry), -E_NO_MEM);
	entry = pt_ensure_promised(&pt, 0x1000, 1);
	assert_ptr_equal(entry, ensure(0x1000, 1));
	assert_int_equal(pt.promised, 2);
	*ensure(0x200000, 2) = LEAF | PTE_PS;
	pt_split(&pt, ensure(0x200000, 2));
	assert_int_equal(pt.promised, 1);
	assert_int_equal(pages_promised, 1);
}

static void
test_split(void **state)
{
	int level;

	(void)state;
	*ensure(0x200000, 2) = 0x40000000 | LEAF | PTE_PS | PTE_NX;
	*ensure(0x400000, 2) = MARKER | PTE_W;
	split(ensure(0x200000, 2));
	split(ensure(0x400000, 2));
	for (uint64_t i = 0; i < PT_ENTRIES; i++) {
		assert_int_equal(*pt_lookup(&pt, 0x200000 + i * PAGE_SIZE, &level),
		                 (0x40000000 + i * PAGE_SIZE) | LEAF | PTE_NX);
		assert_int_equal(level, 1);
		assert_int_equal(*pt_lookup(&pt, 0x400000 + i * PAGE_SIZE, &level), MARKER | PTE_W);
		assert_int_equal(level, 1);
	}
}

struct visits {
	uint64_t va[2048];
	int level[2048];
	pte_t entry[2048];
	unsigned int count, stop_at;
};

static int
record(void *arg, uint64_t va, int level, pte_t *entry)
{
	struct visits *v = arg;

	assert_true(v->count < ARRAY_SIZE(v->va));
	v->va[v->count] = va;
	v->level[v->count] = level;
	v->entry[v->count] = *entry;
	return ++v->count == v->stop_at ? 77 : 0;
}

static void
test_visit(void **state)
{
	static struct visits v;

	(void)state;
	*ensure(0x1000, 1) = 0xa000 | LEAF;
	*ensure(0x3000, 1) = MARKER;
	*ensure(0x200000, 2) = MARKER;
	*ensure(0x40000000, 2) = 0x600000 | LEAF | PTE_PS;
	memset(&v, 0, sizeof(v));
	assert_int_equal(pt_visit(&pt, 0, 0x800000000000, record, &v), 0);
	assert_int_equal(v.count, 4);
	assert_int_equal(v.va[0], 0x1000);
	assert_int_equal(v.va[1], 0x3000);
	assert_int_equal(v.va[2], 0x200000);
	assert_int_equal(v.level[2], 2);
	assert_int_equal(v.entry[3], 0x600000 | LEAF | PTE_PS);
	/* A range within a large entry visits the entry, by its start. */
	memset(&v, 0, sizeof(v));
	assert_int_equal(pt_visit(&pt, 0x2000, 0x201000, record, &v), 0);
	assert_int_equal(v.count, 2);
	assert_int_equal(v.va[1], 0x200000);
	memset(&v, 0, sizeof(v));
	v.stop_at = 2;
	assert_int_equal(pt_visit(&pt, 0, 0x800000000000, record, &v), 77);
	assert_int_equal(v.count, 2);
	memset(&v, 0, sizeof(v));
	assert_int_equal(pt_visit(&pt, 0x1000, 0x1000, record, &v), 0);
	assert_int_equal(v.count, 0);
	/* Up to the top of the address space. */
	*ensure(0xfffffffffffff000, 1) = 0xb000 | LEAF;
	assert_int_equal(pt_visit(&pt, 0xffff800000000000, UINT64_MAX, record, &v), 0);
	assert_int_equal(v.count, 1);
	assert_int_equal(v.va[0], 0xfffffffffffff000);
}

/* A nearly empty table takes thousands of instructions, too, and counts as work. */
static void
test_visit_lets_input_in(void **state)
{
	enum { TABLES = 4 };
	static struct visits v;

	(void)state;
	for (uint64_t i = 0; i < TABLES; i++)
		*ensure(i * LARGE_PAGE_SIZE, 1) = 0xa000 | LEAF;
	memset(&v, 0, sizeof(v));
	step_work = 0;
	assert_int_equal(pt_visit(&pt, 0, TABLES * LARGE_PAGE_SIZE, record, &v), 0);
	assert_int_equal(v.count, TABLES);
	assert_true(step_work >= (TABLES - 1) * STEP_LARGE);
	/* A single page does not. */
	step_work = 0;
	assert_int_equal(pt_visit(&pt, 0, PAGE_SIZE, record, &v), 0);
	assert_true(step_work < STEP_LARGE);
}

static int
split_and_clear(void *arg, uint64_t va, int level, pte_t *entry)
{
	unsigned int *calls = arg;

	(void)va;
	++*calls;
	if (level == 2)
		split(entry);
	else
		*entry = 0;
	return 0;
}

/* The visitor may split the entry that it visits: the walk goes on behind the entry. */
static void
test_visit_splits(void **state)
{
	unsigned int calls = 0;

	(void)state;
	*ensure(0x200000, 2) = MARKER;
	*ensure(0x400000, 1) = LEAF;
	assert_int_equal(pt_visit(&pt, 0, 1 << 30, split_and_clear, &calls), 0);
	assert_int_equal(calls, 2);
	assert_int_equal(pt_visit(&pt, 0, 1 << 30, split_and_clear, &calls), 0);
	assert_int_equal(calls, 2 + PT_ENTRIES);
	pt_prune(&pt, 0, 1 << 30);
	assert_int_equal(pt.tables, 1);
}

static void
test_prune(void **state)
{
	(void)state;
	*ensure(0x1000, 1) = LEAF;
	ensure(0x200000, 1); /* a table without entries */
	*ensure(0x8000000000, 2) = MARKER;
	assert_int_equal(pt.tables, 7);
	pt_prune(&pt, 0, 0x200000);
	assert_int_equal(pt.tables, 7); /* the empty table lies outside */
	pt_prune(&pt, 0, 0x800000000000);
	assert_int_equal(pt.tables, 6);
	*ensure(0x1000, 1) = 0;
	pt_prune(&pt, 0x1000, 0x2000);
	assert_int_equal(pt.tables, 3);
	*ensure(0x8000000000, 2) = 0;
	pt_prune(&pt, 0x8000000000, 0x8000001000);
	assert_int_equal(pt.tables, 1);
}

static void
test_free_range(void **state)
{
	int level;

	(void)state;
	*ensure(0x1000, 1) = LEAF;
	*ensure(0xffff800000000000, 1) = LEAF;
	pt_free(&pt, 0, 255, false);
	assert_int_equal(pt.tables, 4);
	pt_lookup(&pt, 0x1000, &level);
	assert_int_equal(level, 4);
	pt_lookup(&pt, 0xffff800000000000, &level);
	assert_int_equal(level, 1);
}

/* The table of the last walk is kept as long as it exists, for the addresses that it maps. */
static void
test_last_table(void **state)
{
	pte_t *entry;
	int level;

	(void)state;
	*ensure(0x3ff000, 1) = 0xa000 | LEAF;
	assert_ptr_equal(pt_nearby(&pt, 0x3ff000), ensure(0x3ff000, 1));
	assert_ptr_equal(pt_nearby(&pt, 0x200000), ensure(0x3ff000, 1) - 511);
	assert_null(pt_nearby(&pt, 0x1ff000));
	assert_null(pt_nearby(&pt, 0x400000));
	assert_null(pt_nearby(&pt, 0x80000003ff000));
	/* A walk that finds no table keeps the last one. */
	pt_lookup(&pt, 0x400000, &level);
	assert_int_equal(level, 2);
	assert_non_null(pt_nearby(&pt, 0x3ff000));
	/* Any walk to another table replaces it. */
	*ensure(0x400000, 1) = 0xb000 | LEAF;
	assert_null(pt_nearby(&pt, 0x3ff000));
	assert_int_equal(*pt_lookup(&pt, 0x3ff000, &level), 0xa000 | LEAF);
	assert_null(pt_nearby(&pt, 0x400000));
	assert_non_null(pt_nearby(&pt, 0x3ff000));
	/* The kept table goes away with its entries, and a walk finds its successor. */
	*ensure(0x3ff000, 1) = 0;
	pt_prune(&pt, 0x200000, 0x400000);
	assert_null(pt_nearby(&pt, 0x3ff000));
	entry = pt_lookup(&pt, 0x3ff000, &level);
	assert_int_equal(level, 2);
	*entry = 0x600000 | LEAF | PTE_PS;
	assert_int_equal(*pt_lookup(&pt, 0x3ff000, &level), 0x600000 | LEAF | PTE_PS);
	assert_int_equal(pt_ensure(&pt, 0x3ff000, 1, &entry), -E_EXISTS);
	/* A split makes a table, which a walk finds, too. */
	split(ensure(0x200000, 2));
	assert_int_equal(*pt_lookup(&pt, 0x3ff000, &level), 0x7ff000 | LEAF);
	pt_free(&pt, 0, PT_ENTRIES - 1, false);
	assert_null(pt_nearby(&pt, 0x3ff000));
	pt_lookup(&pt, 0x3ff000, &level);
	assert_int_equal(level, PT_LEVELS);
}

/*
 * Random operations beside a model: an array that tells where each page of a small part of the
 * address space leads.
 */
enum { MODEL_PAGES = 4 * PT_ENTRIES };
static pte_t model[MODEL_PAGES];

/* The part lies half below and half above the border of two entries of the root. */
static uint64_t
model_va(unsigned int page)
{
	return pt_span(PT_LEVELS) + ((int64_t)page - MODEL_PAGES / 2) * PAGE_SIZE;
}

static void
check_model(void)
{
	int level;

	for (unsigned int page = 0; page < MODEL_PAGES; page++) {
		uint64_t va = model_va(page);
		pte_t e = *pt_lookup(&pt, va, &level);

		if (level == 2 && e & PTE_P)
			e = (e & ~(pte_t)PTE_PS) + (va & (LARGE_PAGE_SIZE - 1));
		assert_int_equal(level <= 2 ? e : 0, model[page]);
	}
}

static void
map_large(unsigned int page, pte_t e)
{
	unsigned int first = ROUND_DOWN(page, PT_ENTRIES);
	int level;
	pte_t *entry = pt_lookup(&pt, model_va(first), &level);

	if (level == 1)
		return;
	if (level > 2)
		entry = ensure(model_va(first), 2);
	*entry = e & PTE_P ? e | PTE_PS : e;
	for (unsigned int i = 0; i < PT_ENTRIES; i++)
		model[first + i] = e & PTE_P ? e + i * PAGE_SIZE : e;
}

static void
map_small(unsigned int page, pte_t e)
{
	int level;
	pte_t *entry = pt_lookup(&pt, model_va(page), &level);

	if (level == 2 && *entry)
		split(entry);
	*ensure(model_va(page), 1) = e;
	model[page] = e;
}

static void
test_random(void **state)
{
	uint64_t seed = 6;

	(void)state;
	memset(model, 0, sizeof(model));
	for (int round = 0; round < 3000; round++) {
		unsigned int page = random32(&seed) % MODEL_PAGES;
		pte_t leaf = (pte_t)(random32(&seed) % 1024) * LARGE_PAGE_SIZE | LEAF;
		unsigned int op = random32(&seed) % 8;

		if (op == 0)
			map_large(page, leaf);
		else if (op == 1)
			map_large(page, MARKER);
		else if (op < 4)
			map_small(page, leaf);
		else if (op == 4)
			map_small(page, MARKER);
		else if (op == 5)
			map_small(page, 0);
		else if (op == 6)
			map_large(page, 0);
		else
			for (unsigned int i = ROUND_DOWN(page, 512u); i < page; i++)
				map_small(i, 0);
		if (random32(&seed) % 4 == 0)
			pt_prune(&pt, model_va(0), model_va(MODEL_PAGES - 1) + PAGE_SIZE);
		if (round % 16 == 0)
			check_model();
	}
	check_model();
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
UNIT_MAIN(T(test_geometry), T(test_lookup_and_ensure), T(test_ensure_in_the_way), T(test_no_memory),
          T(test_promises), T(test_split), T(test_visit), T(test_visit_lets_input_in),
          T(test_visit_splits), T(test_prune), T(test_free_range), T(test_last_table),
          T(test_random))
