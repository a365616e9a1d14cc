#ifndef NESTLING_TESTS_UNIT_RAM_H
#define NESTLING_TESTS_UNIT_RAM_H

/*
 * `Physical memory' for tests of the kernel's memory management.  It lies at a
 * DIRECT_BASE of the test's own, so a test includes this header first and then the
 * .c files under test.  A panic counts as a failed assertion: expect_assert_failure().
 */
#define DIRECT_BASE 0x200000000000

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "inc/error.h"
#include "kern/mem/page.h"

#define MIB (1ull << 20)

/* Maps fresh physical memory at [0, size), with contents that are not 0. */
void ram_map(uint64_t size);

static inline uint32_t
random_below(uint64_t *state, uint32_t n)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*state >> 32) % n;
}

#endif
