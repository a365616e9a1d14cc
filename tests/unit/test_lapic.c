// SOURCES: lib/vdev/bus.c lib/vdev/lapic.c
#include <string.h>

#include "lib/vdev/lapic.h"
#include "tests/unit/unit.h"

enum { CPUS = 4 };

static struct fixture {
	struct vdev_bus bus;
	struct lapics apics;
	unsigned int events[CPUS];
	uint64_t ns;
} f;

static void
count_event(void *arg, unsigned int cpu, bool level)
{
	(void)arg;
	assert_true(cpu < CPUS && level);
	f.events[cpu]++;
}

static int
setup(void **state)
{
	struct vdev_clock clock = clock_at(&f.ns);
	struct vdev_irq event = {.set = count_event};

	(void)state;
	memset(&f, 0, sizeof(f));
	lapics_init(&f.apics, CPUS, &clock, &event);
	assert_int_equal(lapics_attach(&f.apics, &f.bus), 0);
	return 0;
}

static uint32_t
get(unsigned int cpu, uint64_t reg)
{
	lapics_select(&f.apics, cpu);
	return vdev_bus_read(&f.bus, LAPIC_GPA + reg, 4);
}

static void
put(unsigned int cpu, uint64_t reg, uint32_t value)
{
	lapics_select(&f.apics, cpu);
	vdev_bus_write(&f.bus, LAPIC_GPA + reg, 4, value);
}

static void
enable_all(void)
{
	for (unsigned int i = 0; i < CPUS; i++)
		put(i, LAPIC_SVR, LAPIC_SVR_ENABLE | 0xff);
}

static void
send_to(unsigned int from, unsigned int destination, uint32_t icr)
{
	put(from, LAPIC_ICR_HIGH, destination << 24);
	put(from, LAPIC_ICR, icr);
}

/* Returns a bit for each processor that has the vector in its IRR. */
static unsigned int
requested(unsigned int vector)
{
	unsigned int bits = 0;

	for (unsigned int i = 0; i < CPUS; i++)
		bits |= (get(i, LAPIC_IRR + vector / 32 * 16) >> vector % 32 & 1) << i;
	return bits;
}

static void
test_reset_state(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < CPUS; i++) {
		assert_int_equal(get(i, LAPIC_ID), i << 24);
		assert_int_equal(get(i, LAPIC_VERSION), 0x00030014);
		assert_int_equal(get(i, LAPIC_SVR), i ? 0xff : 0x1ff);
		assert_int_equal(get(i, LAPIC_DFR), 0xffffffff);
		assert_int_equal(get(i, LAPIC_LVT_TIMER), LAPIC_MASKED);
		assert_int_equal(get(i, LAPIC_LVT_LINT0), i ? LAPIC_MASKED : LAPIC_EXTINT);
		assert_int_equal(lapic_takes_extint(&f.apics.cpu[i]), i == 0);
		assert_int_equal(f.apics.cpu[i].waits, i != 0);
		assert_false(lapic_pending(&f.apics.cpu[i]));
	}
	put(1, LAPIC_ID, 0);
	assert_int_equal(get(1, LAPIC_ID), 1 << 24);
}

static void
test_destinations(void **state)
{
	static const struct {
		unsigned int destination;
		uint32_t icr;
		unsigned int expected; /* a bit for each processor */
	} cases[] = {
	        {2, 0, 1 << 2},
	        {CPUS, 0, 0},
	        {0xff, 0, 0xf},
	        {3, LAPIC_ICR_SELF, 1 << 1},
	        {3, LAPIC_ICR_ALL, 0xf},
	        {3, LAPIC_ICR_OTHERS, 0xf & ~2},
	        {5, LAPIC_ICR_LOGICAL, 5},
	        {0xff, LAPIC_ICR_LOGICAL, 0xf},
	        {0, LAPIC_ICR_LOGICAL, 0},
	};

	(void)state;
	enable_all();
	for (unsigned int i = 0; i < CPUS; i++)
		put(i, LAPIC_LDR, 1u << i << 24);
	for (unsigned int i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		send_to(1, cases[i].destination, cases[i].icr | (0x40 + i));
		assert_int_equal(requested(0x40 + i), cases[i].expected);
	}
}

static void
test_clusters(void **state)
{
	(void)state;
	enable_all();
	for (unsigned int i = 0; i < CPUS; i++) {
		put(i, LAPIC_DFR, 0);
		put(i, LAPIC_LDR, (i / 2 << 4 | 1u << i % 2) << 24);
	}
	send_to(0, 0x12, LAPIC_ICR_LOGICAL | 0x50);
	assert_int_equal(requested(0x50), 1 << 3);
	send_to(0, 0xf1, LAPIC_ICR_LOGICAL | 0x51);
	assert_int_equal(requested(0x51), 1 << 0 | 1 << 2);
}

static void
test_lowest_priority(void **state)
{
	(void)state;
	enable_all();
	for (unsigned int i = 0; i < CPUS; i++)
		put(i, LAPIC_TPR, 0x80 - 0x10 * i);
	send_to(0, 0xff, LAPIC_ICR_LOWEST | 0x60);
	assert_int_equal(requested(0x60), 1 << 3);
	put(3, LAPIC_SVR, 0xff); /* software-disabled: it takes no interrupt */
	send_to(0, 0xff, LAPIC_ICR_LOWEST | 0x61);
	assert_int_equal(requested(0x61), 1 << 2);
}

static void
test_priorities(void **state)
{
	struct lapic *l = &f.apics.cpu[1];

	(void)state;
	enable_all();
	send_to(0, 1, 0x45);
	send_to(0, 1, 0x83);
	send_to(0, 1, 0x81);
	assert_int_equal(f.events[1], 3);
	assert_int_equal(lapic_ack(l), 0x83);
	assert_int_equal(get(1, LAPIC_PPR), 0x80);
	assert_int_equal(get(1, LAPIC_ISR + 0x40), 1 << 3);
	assert_false(lapic_pending(l)); /* 0x81 is of the same class */
	put(1, LAPIC_EOI, 0);
	assert_int_equal(lapic_ack(l), 0x81);
	put(1, LAPIC_EOI, 0);
	put(1, LAPIC_TPR, 0x40);
	assert_false(lapic_pending(l));
	assert_int_equal(lapic_ack(l), 0xff); /* the spurious vector; nothing is in service */
	assert_int_equal(get(1, LAPIC_PPR), 0x40);
	put(1, LAPIC_TPR, 0x3f);
	assert_int_equal(lapic_ack(l), 0x45);
	send_to(0, 1, 0x90); /* a higher interrupt nests */
	assert_int_equal(lapic_ack(l), 0x90);
	put(1, LAPIC_EOI, 0);
	assert_int_equal(get(1, LAPIC_PPR), 0x40);
	put(1, LAPIC_EOI, 0);
	put(1, LAPIC_EOI, 0); /* one EOI too many */
	assert_int_equal(get(1, LAPIC_PPR), 0x3f);
}

static void
test_start_up(void **state)
{
	struct lapic *l = &f.apics.cpu[2];

	(void)state;
	assert_true(l->waits);
	send_to(0, 2, LAPIC_ICR_INIT | LAPIC_ICR_ASSERT);
	assert_true(lapic_take_init(l));
	assert_false(lapic_take_init(l));
	assert_int_equal(f.events[2], 1);
	send_to(0, 2, LAPIC_ICR_INIT | LAPIC_ICR_LEVEL); /* the de-assert */
	assert_false(lapic_take_init(l));
	send_to(0, 2, LAPIC_ICR_STARTUP | 0x9a);
	assert_false(l->waits);
	assert_int_equal(l->start, 0x9a);
	send_to(0, 2, LAPIC_ICR_STARTUP | 0x55); /* the second start-up IPI is ignored */
	assert_int_equal(l->start, 0x9a);
	/* The processor runs; INIT stops it, and resets its APIC. */
	put(2, LAPIC_SVR, 0x1ff);
	send_to(0, 2, 0x70);
	put(0, LAPIC_ICR, LAPIC_ICR_INIT | LAPIC_ICR_OTHERS | LAPIC_ICR_ASSERT);
	for (unsigned int i = 1; i < CPUS; i++)
		assert_true(lapic_take_init(&f.apics.cpu[i]) && f.apics.cpu[i].waits);
	assert_false(lapic_take_init(&f.apics.cpu[0]));
	assert_int_equal(requested(0x70), 0);
	assert_int_equal(get(2, LAPIC_SVR), 0xff);
	/* INIT and start-up IPIs may not go to the sender: these shorthands do nothing. */
	put(1, LAPIC_ICR, LAPIC_ICR_INIT | LAPIC_ICR_SELF | LAPIC_ICR_ASSERT);
	put(1, LAPIC_ICR, LAPIC_ICR_STARTUP | LAPIC_ICR_ALL | 0x10);
	assert_false(lapic_take_init(&f.apics.cpu[1]));
	assert_true(f.apics.cpu[1].waits);
}

static void
test_disabled(void **state)
{
	(void)state;
	send_to(0, 1, 0x40);
	assert_int_equal(requested(0x40), 0);
	put(1, LAPIC_LVT_TIMER, 0x40);
	assert_int_equal(get(1, LAPIC_LVT_TIMER), LAPIC_MASKED | 0x40);
	put(0, LAPIC_SVR, 0xff);
	assert_false(lapic_takes_extint(&f.apics.cpu[0]));
	put(0, LAPIC_SVR, 0x1ff);
	assert_false(lapic_takes_extint(&f.apics.cpu[0]));
	put(0, LAPIC_LVT_LINT0, LAPIC_EXTINT);
	assert_true(lapic_takes_extint(&f.apics.cpu[0]));
}

static void
test_errors(void **state)
{
	(void)state;
	enable_all();
	send_to(0, 1, 0x0f);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	put(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), LAPIC_ESR_SEND);
	put(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), 0);
	put(0, LAPIC_LVT_ERROR, 0xfe);
	get(0, 0x0c0); /* no such register */
	put(0, LAPIC_ESR, 0);
	assert_int_equal(get(0, LAPIC_ESR), LAPIC_ESR_REGISTER);
	assert_int_equal(requested(0xfe), 1);
	put(1, LAPIC_LVT_TIMER, 3);
	put(1, LAPIC_INITIAL, 10);
	f.ns = 1000;
	lapic_tick(&f.apics, 1);
	put(1, LAPIC_ESR, 0);
	assert_int_equal(get(1, LAPIC_ESR), LAPIC_ESR_RECEIVE);
	/* An error vector that is itself bad causes no further error. */
	put(0, LAPIC_LVT_ERROR, 3);
	get(0, 0x0c0);
}

static void
test_timer_one_shot(void **state)
{
	(void)state;
	enable_all();
	put(1, LAPIC_LVT_TIMER, 0x41);
	put(1, LAPIC_DIVIDE, 0xb); /* by 1 */
	assert_int_equal(lapic_tick(&f.apics, 1), VDEV_NEVER);
	put(1, LAPIC_INITIAL, 1000);
	assert_true(f.apics.cpu[1].moved);
	assert_int_equal(lapic_tick(&f.apics, 1), 1000 * LAPIC_NS);
	assert_false(f.apics.cpu[1].moved);
	f.ns = 400 * LAPIC_NS;
	assert_int_equal(get(1, LAPIC_CURRENT), 600);
	f.ns = 1000 * LAPIC_NS - 1;
	lapic_tick(&f.apics, 1);
	assert_int_equal(requested(0x41), 0);
	assert_int_equal(get(1, LAPIC_CURRENT), 1);
	f.ns++;
	assert_int_equal(lapic_tick(&f.apics, 1), VDEV_NEVER);
	assert_int_equal(requested(0x41), 1 << 1);
	assert_int_equal(get(1, LAPIC_CURRENT), 0);
	assert_int_equal(get(1, LAPIC_INITIAL), 1000);
	/* A count of 0 stops the timer.  A masked timer counts without interrupts. */
	put(1, LAPIC_INITIAL, 5);
	put(1, LAPIC_INITIAL, 0);
	assert_int_equal(lapic_tick(&f.apics, 1), VDEV_NEVER);
	put(1, LAPIC_LVT_TIMER, LAPIC_MASKED | 0x42);
	put(1, LAPIC_INITIAL, 5);
	f.ns += 5 * LAPIC_NS;
	assert_int_equal(lapic_tick(&f.apics, 1), VDEV_NEVER);
	assert_int_equal(requested(0x42), 0);
}

static void
test_timer_divides(void **state)
{
	static const struct {
		uint32_t code;
		unsigned int by;
	} divides[] = {{0, 2}, {1, 4}, {2, 8}, {3, 16}, {8, 32}, {9, 64}, {10, 128}, {11, 1}};

	(void)state;
	for (unsigned int i = 0; i < sizeof(divides) / sizeof(divides[0]); i++) {
		put(0, LAPIC_DIVIDE, divides[i].code);
		put(0, LAPIC_INITIAL, 7);
		assert_int_equal(lapic_tick(&f.apics, 0) - f.ns, 7 * divides[i].by * LAPIC_NS);
		f.ns += 12345;
	}
	put(0, LAPIC_DIVIDE, 10);
	put(0, LAPIC_INITIAL, UINT32_MAX);
	assert_int_equal(lapic_tick(&f.apics, 0) - f.ns, 128ull * LAPIC_NS * UINT32_MAX);
}

static void
test_timer_periodic(void **state)
{
	struct lapic *l = &f.apics.cpu[0];

	(void)state;
	put(0, LAPIC_DIVIDE, 0xb);
	put(0, LAPIC_LVT_TIMER, LAPIC_TIMER_PERIODIC | 0x41);
	put(0, LAPIC_INITIAL, 40000);
	f.ns = 40000 * LAPIC_NS;
	assert_int_equal(lapic_tick(&f.apics, 0), 2 * f.ns);
	assert_int_equal(lapic_ack(l), 0x41);
	/* Missed periods bring no interrupts later. */
	f.ns = 40000 * LAPIC_NS * 7 + 1;
	assert_int_equal(lapic_tick(&f.apics, 0), 40000 * LAPIC_NS * 8);
	assert_int_equal(requested(0x41), 1);
	/* A period that is too short becomes the shortest allowed one. */
	put(0, LAPIC_INITIAL, 1);
	assert_int_equal(lapic_tick(&f.apics, 0) - f.ns, LAPIC_PERIOD_MIN_NS);
	assert_in_range(get(0, LAPIC_CURRENT), 0, 1);
}

/* Accesses of other sizes, or between registers, do nothing. */
static void
test_odd_accesses(void **state)
{
	(void)state;
	lapics_select(&f.apics, 0);
	vdev_bus_write(&f.bus, LAPIC_GPA + LAPIC_TPR, 1, 0x50);
	vdev_bus_write(&f.bus, LAPIC_GPA + LAPIC_TPR, 8, 0x50);
	vdev_bus_write(&f.bus, LAPIC_GPA + LAPIC_TPR + 4, 4, 0x50);
	assert_int_equal(get(0, LAPIC_TPR), 0);
	assert_int_equal(vdev_bus_read(&f.bus, LAPIC_GPA + LAPIC_VERSION, 8), 0);
	assert_int_equal(vdev_bus_read(&f.bus, LAPIC_GPA + LAPIC_VERSION + 1, 1), 0);
	assert_int_equal(lapics_attach(&f.apics, &f.bus), -1);
}

UNIT_MAIN(cmocka_unit_test_setup(test_reset_state, setup),
          cmocka_unit_test_setup(test_destinations, setup),
          cmocka_unit_test_setup(test_clusters, setup),
          cmocka_unit_test_setup(test_lowest_priority, setup),
          cmocka_unit_test_setup(test_priorities, setup),
          cmocka_unit_test_setup(test_start_up, setup),
          cmocka_unit_test_setup(test_disabled, setup), cmocka_unit_test_setup(test_errors, setup),
          cmocka_unit_test_setup(test_timer_one_shot, setup),
          cmocka_unit_test_setup(test_timer_divides, setup),
          cmocka_unit_test_setup(test_timer_periodic, setup),
          cmocka_unit_test_setup(test_odd_accesses, setup))
