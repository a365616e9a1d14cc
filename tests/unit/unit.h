#ifndef NESTLING_TESTS_UNIT_UNIT_H
#define NESTLING_TESTS_UNIT_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/vdev/vdev.h"

/* Tests of device models share these: a bus as a driver sees it, an interrupt line, a clock. */

#define UNIT_MAIN(...)                                            \
	int main(void)                                            \
	{                                                         \
		const struct CMUnitTest tests[] = {__VA_ARGS__};  \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}

struct line {
	bool level;
	unsigned int rises;
};

static inline void
line_set(void *arg, unsigned int number, bool level)
{
	struct line *l = arg;

	(void)number;
	if (level && !l->level)
		l->rises++;
	l->level = level;
}

static inline struct vdev_irq
line_irq(struct line *l)
{
	return (struct vdev_irq){.set = line_set, .arg = l};
}

static inline uint64_t
clock_now(void *arg)
{
	return *(uint64_t *)arg;
}

static inline struct vdev_clock
clock_at(uint64_t *ns)
{
	return (struct vdev_clock){.now = clock_now, .arg = ns};
}

/* Returns a random number.  The numbers are the same on every run. */
static inline uint32_t
random32(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 32;
}

static inline void
out8(struct vdev_bus *bus, uint16_t port, uint8_t value)
{
	vdev_bus_write(bus, port, 1, value);
}

static inline uint8_t
in8(struct vdev_bus *bus, uint16_t port)
{
	return vdev_bus_read(bus, port, 1);
}

static inline uint16_t
in16(struct vdev_bus *bus, uint16_t port)
{
	return vdev_bus_read(bus, port, 2);
}

#endif
