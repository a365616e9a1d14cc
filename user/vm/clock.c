#include "user/vm/machine.h"

#include "inc/x86.h"

#define NS_PER_SECOND 1000000000ull

/* a * b / c with a product of 128 bits, rounded up by round; the quotient must fit into 64 bits. */
static uint64_t
mul_div(uint64_t a, uint64_t b, uint64_t c, uint64_t round)
{
	unsigned __int128 product = (unsigned __int128)a * b + round;
	uint64_t lo = product, hi = product >> 64, quotient;

	__asm__("divq %3" : "=a"(quotient), "+d"(hi) : "a"(lo), "rm"(c) : "cc");
	return quotient;
}

void
clock_init(struct clock *c)
{
	struct sys_info info;

	sys_sys_info(&info);
	c->hz = info.tsc_hz;
	c->start = rdtsc();
}

uint64_t
clock_now(const struct clock *c)
{
	return mul_div(rdtsc() - c->start, NS_PER_SECOND, c->hz, 0);
}

uint64_t
clock_tsc(const struct clock *c, uint64_t ns)
{
	/* Far beyond any device's event, and well within 64 bits of ticks. */
	if (ns / NS_PER_SECOND >= UINT32_MAX)
		return UINT64_MAX;
	return c->start + mul_div(ns, c->hz, NS_PER_SECOND, NS_PER_SECOND - 1);
}
