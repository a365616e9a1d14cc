#include "guest/kernel/aspace.h"

#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "lib/string.h"

/* Address spaces, as a kernel with processes has them. */

enum { ENTRIES = 512, LOWER_HALF = ENTRIES / 2, ROOT_LEVEL = 4 };

static struct {
	uint64_t base;
	uint16_t users[FRAMES]; /* page-table entries that lead to each frame */
	uint16_t free[FRAMES];  /* numbers of the free frames: a stack */
	unsigned int free_count;
} pool;

bool
frames_init(void)
{
	void *memory;

	if (pool.base)
		return true;
	memory = mem_fresh(FRAMES);
	if (!memory)
		return false;
	pool.base = mem_pa(memory);
	while (pool.free_count < FRAMES) {
		pool.free[pool.free_count] = FRAMES - 1 - pool.free_count;
		pool.free_count++;
	}
	return true;
}

unsigned int
frames_free(void)
{
	return pool.free_count;
}

uint64_t
frame_alloc(void)
{
	unsigned int n;

	if (pool.free_count == 0)
		return 0;
	n = pool.free[--pool.free_count];
	pool.users[n] = 1;
	memset(direct(pool.base + (uint64_t)n * PAGE_SIZE), 0, PAGE_SIZE);
	return pool.base + (uint64_t)n * PAGE_SIZE;
}

static unsigned int
number_of(uint64_t frame)
{
	return (frame - pool.base) / PAGE_SIZE;
}

void
frame_share(uint64_t frame)
{
	pool.users[number_of(frame)]++;
}

void
frame_drop(uint64_t frame)
{
	unsigned int n = number_of(frame);

	if (--pool.users[n] == 0)
		pool.free[pool.free_count++] = n;
}

bool
frame_is_shared(uint64_t frame)
{
	return pool.users[number_of(frame)] > 1;
}

uint64_t
aspace_create(void)
{
	uint64_t root = frame_alloc();

	if (root)
		mem_share_kernel(direct(root));
	return root;
}

/* Drops a table, and all tables and pages below its first `entries` entries. */
static void
drop_tables(uint64_t table, int level, unsigned int entries)
{
	const uint64_t *t = direct(table);

	for (unsigned int i = 0; i < entries; i++) {
		if (!(t[i] & PTE_P))
			continue;
		if (level > 1)
			drop_tables(t[i] & PTE_ADDR, level - 1, ENTRIES);
		else
			frame_drop(t[i] & PTE_ADDR);
	}
	frame_drop(table);
}

void
aspace_destroy(uint64_t root)
{
	drop_tables(root, ROOT_LEVEL, LOWER_HALF);
}

/*
 * Returns the entry for an address at level `to`, NULL if a table above it is missing.  With
 * `create`, makes missing tables; NULL then means that no frame is free.
 */
static uint64_t *
entry_at(uint64_t root, uint64_t va, int to, bool create)
{
	uint64_t table = root;

	for (int level = ROOT_LEVEL;; level--) {
		uint64_t *e = direct(table);

		e += va >> (PAGE_SHIFT + 9 * (level - 1)) & (ENTRIES - 1);
		if (level == to)
			return e;
		if (!(*e & PTE_P)) {
			uint64_t lower = create ? frame_alloc() : 0;

			if (!lower)
				return NULL;
			*e = lower | PTE_P | PTE_W | PTE_U; /* the leaf decides what is allowed */
		}
		table = *e & PTE_ADDR;
	}
}

uint64_t *
aspace_entry(uint64_t root, uint64_t va, bool create)
{
	return entry_at(root, va, 1, create);
}

void
aspace_drop_table(uint64_t root, uint64_t va)
{
	uint64_t *e = entry_at(root, va, 2, false);

	if (!e || !(*e & PTE_P))
		return;
	frame_drop(*e & PTE_ADDR);
	*e = 0;
}
