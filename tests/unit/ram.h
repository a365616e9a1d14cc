#ifndef NESTLING_TESTS_UNIT_RAM_H
#define NESTLING_TESTS_UNIT_RAM_H

/*
 * `Physical memory' for tests of the kernel's memory management.  It lies at a
 * DIRECT_BASE of our own, so a test includes this first and then the .c files
 * under test.  A panic counts as a failed assertion: expect_assert_failure().
 */
#define DIRECT_BASE 0x200000000000

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <sys/mman.h>

#include <cmocka.h>

#include "inc/error.h"
#include "kern/mem/page.h"
#include "lib/assert.h"

#define MIB (1ull << 20)

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	mock_assert(false, fmt, file, line);
	abort();
}

/* Fresh memory behind [0, size), full of what must not be taken for zeros. */
static inline void
ram_map(uint64_t size)
{
	void *p = mmap((void *)DIRECT_BASE, size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	assert_ptr_equal(p, DIRECT_BASE);
	for (uint64_t pa = 0; pa < size; pa += PAGE_SIZE)
		*(uint64_t *)(DIRECT_BASE + pa) = ~pa;
}

static inline uint32_t
random_below(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32) % n;
}

#endif
