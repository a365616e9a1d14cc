// SOURCES: lib/vdev/bus.c lib/vdev/hpet.c
#include <string.h>

#include "lib/vdev/hpet.h"
#include "tests/unit/unit.h"

#define SECOND 1000000000ull

static struct fixture {
	struct vdev_bus bus;
	struct hpet hpet;
	uint64_t ns;
} f;

static int
setup(void **state)
{
	struct vdev_clock clock = clock_at(&f.ns);

	(void)state;
	memset(&f, 0, sizeof(f));
	hpet_init(&f.hpet, &clock);
	assert_int_equal(hpet_attach(&f.hpet, &f.bus), 0);
	return 0;
}

static uint64_t
get(uint64_t reg, unsigned int size)
{
	return vdev_bus_read(&f.bus, HPET_GPA + reg, size);
}

static void
put(uint64_t reg, unsigned int size, uint64_t value)
{
	vdev_bus_write(&f.bus, HPET_GPA + reg, size, value);
}

/* The capabilities: period in femtoseconds, a 64-bit counter, no legacy routing, one timer. */
static void
test_capabilities(void **state)
{
	uint64_t cap = get(HPET_CAPABILITIES, 8);

	(void)state;
	assert_int_equal(cap >> 32, 10000000);
	assert_int_equal(cap >> 16 & 0xffff, 0x8086);
	assert_int_equal(cap & 0xffff, 0x2001);
	put(HPET_CAPABILITIES, 8, 0);
	assert_int_equal(get(HPET_CAPABILITIES, 8), cap);
	assert_int_equal(get(HPET_CAPABILITIES, 4), (uint32_t)cap);
	assert_int_equal(get(HPET_CAPABILITIES + 4, 4), cap >> 32);
}

/* The timer has no routes, and keeps nothing that is written to it. */
static void
test_no_interrupts(void **state)
{
	(void)state;
	put(HPET_CONFIG, 8, UINT64_MAX);
	assert_int_equal(get(HPET_CONFIG, 8), HPET_ENABLE);
	for (uint64_t reg = 0x20; reg < HPET_SIZE; reg += 8) {
		if (reg == HPET_COUNTER)
			continue;
		put(reg, 8, UINT64_MAX);
		assert_int_equal(get(reg, 8), 0);
	}
}

static void
test_counter_runs_while_enabled(void **state)
{
	(void)state;
	f.ns = SECOND;
	assert_int_equal(get(HPET_COUNTER, 8), 0);
	put(HPET_CONFIG, 4, HPET_ENABLE);
	assert_int_equal(get(HPET_COUNTER, 8), 0);
	f.ns += SECOND;
	assert_int_equal(get(HPET_COUNTER, 8), SECOND / HPET_PERIOD_NS);
	put(HPET_CONFIG, 4, HPET_ENABLE);
	assert_int_equal(get(HPET_COUNTER, 8), SECOND / HPET_PERIOD_NS);
	put(HPET_CONFIG, 4, 0);
	f.ns += SECOND;
	assert_int_equal(get(HPET_COUNTER, 8), SECOND / HPET_PERIOD_NS);
	put(HPET_CONFIG, 4, HPET_ENABLE);
	f.ns += SECOND;
	assert_int_equal(get(HPET_COUNTER, 8), 2 * SECOND / HPET_PERIOD_NS);
}

static void
test_counter_is_written(void **state)
{
	(void)state;
	f.ns = 3 * SECOND;
	put(HPET_COUNTER, 8, 0x1122334455667788);
	assert_int_equal(get(HPET_COUNTER, 8), 0x1122334455667788);
	put(HPET_CONFIG, 1, HPET_ENABLE);
	put(HPET_COUNTER, 8, UINT64_MAX);
	f.ns += 2 * HPET_PERIOD_NS;
	assert_int_equal(get(HPET_COUNTER, 8), 1); /* the counter wraps */
}

/* Each part of a register, with each size of access. */
static void
test_parts(void **state)
{
	(void)state;
	for (unsigned int size = 1; size <= 8; size *= 2)
		for (unsigned int at = 0; at < 8; at += size) {
			uint64_t ones = UINT64_MAX >> (64 - 8 * size);

			put(HPET_COUNTER, 8, 0x1122334455667788);
			assert_int_equal(get(HPET_COUNTER + at, size),
			                 0x1122334455667788 >> 8 * at & ones);
			put(HPET_COUNTER + at, size, 0);
			assert_int_equal(get(HPET_COUNTER, 8),
			                 0x1122334455667788 & ~(ones << 8 * at));
		}
}

static void
test_between_registers(void **state)
{
	(void)state;
	put(HPET_COUNTER, 8, 5);
	assert_int_equal(get(HPET_COUNTER + 6, 4), 0xffffffff);
	put(HPET_COUNTER - 4, 8, UINT64_MAX);
	put(HPET_COUNTER + 1, 8, UINT64_MAX);
	assert_int_equal(get(HPET_COUNTER, 8), 5);
	assert_int_equal(get(HPET_CONFIG - 1, 2), 0xffff);
}

static void
test_reset(void **state)
{
	(void)state;
	put(HPET_CONFIG, 4, HPET_ENABLE);
	f.ns = SECOND;
	hpet_reset(&f.hpet);
	assert_int_equal(get(HPET_CONFIG, 8), 0);
	assert_int_equal(get(HPET_COUNTER, 8), 0);
	assert_int_equal(hpet_attach(&f.hpet, &f.bus), -1);
}

UNIT_MAIN(cmocka_unit_test_setup(test_capabilities, setup),
          cmocka_unit_test_setup(test_no_interrupts, setup),
          cmocka_unit_test_setup(test_counter_runs_while_enabled, setup),
          cmocka_unit_test_setup(test_counter_is_written, setup),
          cmocka_unit_test_setup(test_parts, setup),
          cmocka_unit_test_setup(test_between_registers, setup),
          cmocka_unit_test_setup(test_reset, setup))
