#include "user/usertests/tests.h"

/* What the fuzzers draw from: the same for the same seed. */

static uint64_t state;

void
random_seed(uint64_t seed)
{
	state = seed;
}

/* xorshift64 */
uint64_t
random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

uint64_t
below(uint64_t n)
{
	return random() % n;
}

bool
one_in(unsigned int n)
{
	return below(n) == 0;
}
