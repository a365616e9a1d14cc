#include "user/usertests/tests.h"

#include "inc/mmu.h"
#include "inc/x86.h"

/* Memory: copy-on-write, zero-on-demand, and its end. */

enum { PATTERN_SIZE = 64 * 1024 };
static unsigned char pattern[PATTERN_SIZE];

static bool
all_are(const volatile unsigned char *p, size_t size, unsigned char value)
{
	for (size_t i = 0; i < size; i++)
		if (p[i] != value)
			return false;
	return true;
}

/* The same for memory too large to look at every byte: a word of each page. */
static bool
pages_are(const volatile uint64_t *p, size_t pages, uint64_t value)
{
	for (size_t i = 0; i < pages; i++)
		if (p[i * (PAGE_SIZE / sizeof *p) + i % 8] != value)
			return false;
	return true;
}

static void
fill_pages(volatile uint64_t *p, size_t pages, uint64_t value)
{
	for (size_t i = 0; i < pages; i++)
		p[i * (PAGE_SIZE / sizeof *p) + i % 8] = value;
}

void
test_fork_isolation(void)
{
	uint32_t self = sys_env_id();
	struct ipc_msg msg;
	long child;

	memset(pattern, 'p', PATTERN_SIZE);
	child = must_fork();
	if (child == 0) {
		/* The parent writes, then the child looks, writes, and the parent looks. */
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK(all_are(pattern, PATTERN_SIZE, 'p'));
		memset(pattern, 'c', PATTERN_SIZE);
		CHECK_RESULT(sys_ipc_send(self, 0, NULL), 0);
		CHECK(all_are(pattern, PATTERN_SIZE, 'c'));
		exit(0);
	}
	memset(pattern, 'q', PATTERN_SIZE / 2);
	CHECK_RESULT(sys_ipc_send(child, 0, NULL), 0);
	CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
	CHECK(all_are(pattern, PATTERN_SIZE / 2, 'q'));
	CHECK(all_are(pattern + PATTERN_SIZE / 2, PATTERN_SIZE / 2, 'p'));
	CHECK_RESULT(sys_env_wait(child), 0);
}

static void
fill_scratch(void)
{
	CHECK(pages_are((uint64_t *)SCRATCH, 16, 0));
	fill_pages((uint64_t *)SCRATCH, 16, 7);
	CHECK(pages_are((uint64_t *)SCRATCH, 16, 7));
}

void
test_fork_zero(void)
{
	CHECK_RESULT(sys_mem_map((void *)SCRATCH, 16 * PAGE_SIZE), 0);
	CHECK_RESULT(run_child(fill_scratch), 0);
	CHECK(pages_are((uint64_t *)SCRATCH, 16, 0));
	fill_scratch();
}

static void
read_scratch(void)
{
	(void)*(volatile char *)SCRATCH;
}

void
test_zero_on_demand(void)
{
	enum { PAGES = 300 };
	uint64_t *p = (uint64_t *)SCRATCH;

	for (int round = 0; round < 3; round++) {
		CHECK_RESULT(sys_mem_map(p, PAGES * PAGE_SIZE), 0);
		for (size_t i = 0; i < PAGES * PAGE_SIZE / sizeof *p; i++)
			CHECK(p[i] == 0);
		memset(p, 0xee, PAGES * PAGE_SIZE);
		CHECK_RESULT(sys_mem_unmap(p, PAGES * PAGE_SIZE), 0);
		CHECK_DIES(read_scratch);
	}
}

static void
write_other_pages(void)
{
	fill_pages((uint64_t *)SCRATCH, 512, 5);
}

void
test_large_frames(void)
{
	enum { PAGES = 4 * LARGE_PAGE_SIZE / PAGE_SIZE, HOLE = LARGE_PAGE_SIZE };
	uint64_t *p = (uint64_t *)SCRATCH, *behind = p + HOLE / sizeof *p + 512;
	long child;

	CHECK_RESULT(sys_mem_map(p, PAGES * PAGE_SIZE), 0);
	CHECK(pages_are(p, PAGES, 0));
	fill_pages(p, PAGES, 1);
	child = must_fork();
	if (child == 0) {
		CHECK(pages_are(p, PAGES, 1));
		fill_pages(p, PAGES, 2);
		CHECK(pages_are(p, PAGES, 2));
		exit(0);
	}
	CHECK_RESULT(sys_env_wait(child), 0);
	CHECK(pages_are(p, PAGES, 1));

	/* A hole in a large page leaves the rest of it as it was. */
	fill_pages(behind, 511, 3);
	CHECK_RESULT(sys_mem_unmap((char *)p + HOLE, PAGE_SIZE), 0);
	CHECK(pages_are(behind, 511, 3));
	CHECK(pages_are(p, HOLE / PAGE_SIZE, 1));
	CHECK_RESULT(sys_mem_map((char *)p + HOLE, PAGE_SIZE), 0);
	CHECK(all_are((unsigned char *)p + HOLE, PAGE_SIZE, 0));
	CHECK_RESULT(run_child(write_other_pages), 0);
	CHECK(pages_are(p, HOLE / PAGE_SIZE, 1));
}

static void
write_after_unmap(void)
{
	volatile uint64_t *p = (uint64_t *)SCRATCH;

	CHECK_RESULT(sys_mem_map((void *)SCRATCH, PAGE_SIZE), 0);
	*p = 1;
	CHECK_RESULT(sys_mem_unmap((void *)SCRATCH, PAGE_SIZE), 0);
	*p = 2;
}

void
test_unmap(void)
{
	CHECK_DIES(write_after_unmap);
}

/* Takes nearly all memory by halves; the regions follow one another from SCRATCH. Returns pages
 * taken. */
static uint64_t
take_all_memory(void)
{
	uint64_t taken = 0;

	for (uint64_t pages = pages_available(); pages; pages /= 2)
		if (sys_mem_map((void *)(SCRATCH + taken * PAGE_SIZE), pages * PAGE_SIZE) == 0)
			taken += pages;
	return taken;
}

void
test_exhaustion(void)
{
	uint64_t before, taken;
	char *argv[] = {"echo"};

	CHECK_RESULT(sys_mem_map((void *)SCRATCH, (pages_available() + 1) * PAGE_SIZE), -E_NO_MEM);
	CHECK_RESULT(sys_mem_map((void *)SCRATCH, 1ull << 45), -E_NO_MEM);
	before = pages_available();
	taken = take_all_memory();
	CHECK(taken > before / 10 * 8);
	CHECK_RESULT(sys_spawn("echo", argv, 1), -E_NO_MEM);
	CHECK_RESULT(sys_fork(), -E_NO_MEM);
	/* What was promised is there when it is touched. */
	for (uint64_t i = 0; i < taken; i += taken / 200)
		fill_pages((uint64_t *)(SCRATCH + i * PAGE_SIZE), 1, i);
	CHECK_RESULT(sys_mem_unmap((void *)SCRATCH, taken * PAGE_SIZE), 0);
	CHECK_RESULT(pages_available(), before);
}

void
test_fork_memory(void)
{
	uint64_t pages = pages_available() / 3 * 2;

	CHECK_RESULT(sys_mem_map((void *)SCRATCH, pages * PAGE_SIZE), 0);
	CHECK_RESULT(sys_fork(), -E_NO_MEM);
	CHECK_RESULT(sys_mem_unmap((void *)SCRATCH, pages * PAGE_SIZE), 0);
	CHECK_RESULT(run_child(read_scratch), ENV_WAIT_KILLED);
}

void
test_file_map(void)
{
	unsigned char *a = (unsigned char *)SCRATCH, *b = a + (1 << 20);
	long size = sys_file_map("echo", a);
	size_t tail = -size & (PAGE_SIZE - 1);

	CHECK(size > 0);
	CHECK(memcmp(a, "\177ELF", 4) == 0);
	CHECK(all_are(a + size, tail, 0));
	memset(a, 0xaa, size);
	CHECK_RESULT(sys_file_map("echo", b), size);
	CHECK(memcmp(b, "\177ELF", 4) == 0);
	CHECK_RESULT(sys_file_map("nosuch", b + (1 << 20)), -E_NOT_FOUND);
	CHECK_RESULT(sys_mem_unmap(a, size + tail), 0);
	CHECK_DIES(read_scratch);
}

void
test_malloc(void)
{
	enum { BLOCKS = 64 };
	unsigned char *block[BLOCKS];
	void *big;

	for (int round = 0; round < 4; round++) {
		for (size_t i = 0; i < BLOCKS; i++) {
			block[i] = malloc(i * 37 + round);
			CHECK(block[i] && (uintptr_t)block[i] % 16 == 0);
			memset(block[i], i, i * 37 + round);
		}
		for (size_t i = 0; i < BLOCKS; i++)
			CHECK(all_are(block[i], i * 37 + round, i));
		/* In an order that merges with both neighbours. */
		for (size_t i = 0; i < BLOCKS; i++)
			free(block[i * 37 % BLOCKS]);
	}
	big = malloc(1 << 20);
	CHECK(big);
	free(big);
	CHECK(malloc(1 << 20) == big);
	CHECK(!malloc(SIZE_MAX));
	CHECK(!malloc(1ull << 40));
}
