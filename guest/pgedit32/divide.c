#include <stdint.h>

/* Divisions of 64-bit numbers, which the compiler calls in 32-bit mode. */

uint64_t __udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest);
uint64_t __udivdi3(uint64_t n, uint64_t d);
uint64_t __umoddi3(uint64_t n, uint64_t d);

uint64_t
__udivmoddi4(uint64_t n, uint64_t d, uint64_t *rest)
{
	uint64_t quotient = 0, left = 0;

	for (int bit = 63; bit >= 0; bit--) {
		left = left << 1 | (n >> bit & 1);
		if (left >= d) {
			left -= d;
			quotient |= 1ull << bit;
		}
	}
	if (rest)
		*rest = left;
	return quotient;
}

uint64_t
__udivdi3(uint64_t n, uint64_t d)
{
	return __udivmoddi4(n, d, 0);
}

uint64_t
__umoddi3(uint64_t n, uint64_t d)
{
	uint64_t rest;

	__udivmoddi4(n, d, &rest);
	return rest;
}
