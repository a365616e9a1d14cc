#include "lib/compute.h"

enum {
	INTEGER_STEPS = 1000000,
	LINE_WORDS = 8, /* words of a cache line of 64 bytes */
	BRANCHES_UP_TO = 20000,
};

/* An xorshift generator with a multiplication.  Each step needs the result of the one before. */
uint64_t
compute_integer(uint64_t *mem)
{
	uint64_t x = mem[0] | 1;

	for (unsigned int i = 0; i < INTEGER_STEPS; i++) {
		x ^= x >> 12;
		x ^= x << 25;
		x ^= x >> 27;
		x *= 0x2545f4914f6cdd1d;
	}
	return x;
}

uint64_t
compute_memory(uint64_t *mem)
{
	uint64_t sum = 0;

	for (uint64_t i = 0; i < COMPUTE_WORDS; i += LINE_WORDS)
		sum += mem[i]++;
	return sum;
}

/* Counts the steps of Collatz's sequences: whether a number is even is hard to predict. */
uint64_t
compute_branches(uint64_t *mem)
{
	uint64_t steps = mem[0];

	for (uint64_t start = 2; start < BRANCHES_UP_TO; start++)
		for (uint64_t n = start; n != 1; steps++) {
			if (n & 1)
				n = 3 * n + 1;
			else
				n >>= 1;
		}
	return steps;
}
