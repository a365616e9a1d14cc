#include "tests/unit/ram.h"

#include <stdlib.h>

#include <sys/mman.h>

#include "lib/assert.h"

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	mock_assert(false, fmt, file, line);
	abort();
}

void
ram_map(uint64_t size)
{
	void *p = mmap((void *)DIRECT_BASE, size, PROT_READ | PROT_WRITE,
	               MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE, -1, 0);

	assert_ptr_equal(p, DIRECT_BASE);
	for (uint64_t pa = 0; pa < size; pa += PAGE_SIZE)
		*(uint64_t *)(DIRECT_BASE + pa) = ~pa;
}
