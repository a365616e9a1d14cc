// SOURCES: lib/vdev/bus.c lib/vdev/pit.c
#include <string.h>

#include "lib/vdev/pit.h"
#include "tests/unit/unit.h"

enum { COUNTER = 0x40, CONTROL = 0x43, SPEAKER = 0x61 };
enum { SECOND = 1000000000 };

static struct fixture {
	struct vdev_bus bus;
	struct pit pit;
	struct line line;
	uint64_t ns;
} f;

static int
setup(void **state)
{
	struct vdev_clock clock = clock_at(&f.ns);
	struct vdev_irq irq = line_irq(&f.line);

	(void)state;
	memset(&f, 0, sizeof(f));
	f.ns = 1234567890123; /* the machine has been up for a while */
	pit_init(&f.pit, &clock, &irq);
	assert_int_equal(pit_attach(&f.pit, &f.bus), 0);
	return 0;
}

static void
out(uint16_t port, uint8_t value)
{
	out8(&f.bus, port, value);
}

static uint8_t
in(uint16_t port)
{
	return in8(&f.bus, port);
}

/* Reads low and high byte. */
static void
program(unsigned int channel, unsigned int mode, uint16_t count)
{
	out(CONTROL, channel << 6 | 0x30 | mode << 1);
	out(COUNTER + channel, count);
	out(COUNTER + channel, count >> 8);
}

static uint16_t
read_count(unsigned int channel)
{
	uint8_t low;

	out(CONTROL, channel << 6);
	low = in(COUNTER + channel);
	return in(COUNTER + channel) << 8 | low;
}

static uint8_t
read_status(unsigned int channel)
{
	out(CONTROL, 0xe0 | 2 << channel);
	return in(COUNTER + channel);
}

static bool
out2(void)
{
	return in(SPEAKER)&0x20;
}

/* Lets at least this many periods pass. */
static void
wait_periods(uint64_t periods)
{
	f.ns += periods * SECOND / PIT_HZ + 1;
}

static void
test_idle(void **state)
{
	(void)state;
	assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
	f.ns += 10ull * SECOND;
	assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
	assert_false(f.line.level);
	assert_int_equal(in(CONTROL), 0xff); /* write-only */
}

static void
test_periodic_interrupt(void **state)
{
	uint64_t start = f.ns, next;

	(void)state;
	program(0, 2, PIT_HZ / 100); /* 100 Hz */
	for (int i = 1; i <= 300; i++) {
		next = pit_tick(&f.pit);
		assert_int_equal(f.line.rises, i - 1);
		assert_true(next > f.ns);
		f.ns = next - 1;
		assert_int_equal(pit_tick(&f.pit), next);
		f.ns = next;
	}
	pit_tick(&f.pit);
	assert_int_equal(f.line.rises, 300);
	/* No drift: after 300 periods the error is less than one period of the oscillator. */
	assert_true(f.ns - start < 300ull * (PIT_HZ / 100) * SECOND / PIT_HZ + 1000);
	assert_true(f.ns - start > 300ull * (PIT_HZ / 100) * SECOND / PIT_HZ - 1000);
}

/* A monitor that comes late finds one interrupt, and the next ones come in phase. */
static void
test_late(void **state)
{
	uint64_t next;

	(void)state;
	program(0, 3, 0); /* 65536 */
	next = pit_tick(&f.pit);
	f.ns += 10ull * SECOND;
	assert_true(pit_tick(&f.pit) > f.ns);
	assert_int_equal(f.line.rises, 1);
	assert_int_equal((pit_tick(&f.pit) - next) % (65536ull * SECOND / PIT_HZ) < 1000 ||
	                         (pit_tick(&f.pit) - next) % (65536ull * SECOND / PIT_HZ) >
	                                 65536ull * SECOND / PIT_HZ - 1000,
	                 1);
}

/* One-shot drivers use modes 0 and 4. */
static void
test_one_shot(void **state)
{
	static const unsigned int modes[] = {0, 4};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		unsigned int rises = f.line.rises;

		program(0, modes[i], 1000);
		if (modes[i] == 0)
			assert_false(f.line.level);
		f.ns = pit_tick(&f.pit);
		assert_int_equal(f.line.rises, rises);
		assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
		assert_int_equal(f.line.rises, rises + 1);
		f.ns += SECOND;
		assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
		assert_int_equal(f.line.rises, rises + 1);
		/* A new count starts the counter again. */
		out(COUNTER, 10);
		out(COUNTER, 0);
		f.ns = pit_tick(&f.pit);
		pit_tick(&f.pit);
		assert_int_equal(f.line.rises, rises + 2);
	}
}

/* An interrupt that is due when the guest writes is not lost. */
static void
test_due_at_write(void **state)
{
	(void)state;
	program(0, 2, 1000);
	wait_periods(1000);
	program(0, 2, 2000);
	assert_int_equal(f.line.rises, 1);
}

/* An interrupt that waits in the PIC is not lost when the guest only reads the count, however late
 * in the period. */
static void
test_latch_keeps_interrupt(void **state)
{
	(void)state;
	program(0, 3, 1000);
	wait_periods(1000);
	pit_tick(&f.pit);
	wait_periods(600); /* the square wave is low */
	assert_false(read_status(0) & 0x80);
	read_count(0);
	program(2, 3, 1000); /* another channel does not touch the interrupt */
	assert_true(f.line.level);
	assert_int_equal(f.line.rises, 1);
	/* But mode 0 withdraws the interrupt. */
	program(0, 0, 1000);
	assert_false(f.line.level);
}

/* Even the shortest period leaves a guest time to run between interrupts. */
static void
test_fastest_interrupts(void **state)
{
	uint64_t next;

	(void)state;
	for (uint16_t count = 1; count <= PIT_COUNT_MIN; count++) {
		program(0, 2, count);
		next = pit_tick(&f.pit);
		assert_in_range(next - f.ns, 199000, 202000);
		f.ns = next;
		assert_in_range(pit_tick(&f.pit) - f.ns, 199000, 202000);
		assert_int_equal(f.line.rises, count);
	}
	program(0, 2, PIT_COUNT_MIN + 12);
	assert_in_range(pit_tick(&f.pit) - f.ns, 209000, 211000);
}

static void
test_stopped_by_control_word(void **state)
{
	(void)state;
	program(0, 2, 1000);
	assert_true(pit_tick(&f.pit) != VDEV_NEVER);
	out(CONTROL, 0x34);
	assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
	out(COUNTER, 0x10); /* half a count does not count */
	assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
	out(COUNTER, 0x10);
	assert_true(pit_tick(&f.pit) != VDEV_NEVER);
}

static void
test_counting(void **state)
{
	(void)state;
	program(1, 2, 1000);
	assert_int_equal(read_count(1), 1000);
	wait_periods(100);
	assert_in_range(read_count(1), 899, 900);
	wait_periods(1000);
	assert_in_range(read_count(1), 898, 900);
	program(1, 0, 1000); /* runs on below 0 */
	wait_periods(1100);
	assert_in_range(read_count(1), 65536 - 101, 65536 - 100);
	program(1, 3, 1000); /* counts by twos */
	wait_periods(100);
	assert_in_range(read_count(1), 798, 800);
	program(1, 2, 0);
	assert_int_equal(read_count(1), 0); /* 65536 */
}

static void
test_latch(void **state)
{
	uint8_t low, high;

	(void)state;
	program(1, 2, 0x1234);
	out(CONTROL, 0x40);
	wait_periods(0x200);
	out(CONTROL, 0x40); /* already latched */
	low = in(COUNTER + 1);
	high = in(COUNTER + 1);
	assert_int_equal(high << 8 | low, 0x1234);
	/* Then reads show the running counter again. */
	low = in(COUNTER + 1);
	high = in(COUNTER + 1);
	assert_in_range(high << 8 | low, 0x1032, 0x1034);
}

static void
test_single_bytes(void **state)
{
	(void)state;
	out(CONTROL, 0x54); /* channel 1, low byte, mode 2 */
	out(COUNTER + 1, 18);
	assert_int_equal(in(COUNTER + 1), 18);
	assert_int_equal(in(COUNTER + 1), 18);
	out(CONTROL, 0x40);
	assert_int_equal(in(COUNTER + 1), 18);
	out(CONTROL, 0x64); /* high byte */
	out(COUNTER + 1, 0x12);
	assert_int_equal(in(COUNTER + 1), 0x12);
	wait_periods(1);
	assert_int_equal(in(COUNTER + 1), 0x11);
}

static void
test_bcd(void **state)
{
	uint8_t low;

	(void)state;
	out(CONTROL, 0x71); /* channel 1, mode 0, BCD */
	out(COUNTER + 1, 0x34);
	out(COUNTER + 1, 0x12);
	low = in(COUNTER + 1);
	assert_int_equal(in(COUNTER + 1) << 8 | low, 0x1234);
	wait_periods(1235);
	low = in(COUNTER + 1);
	assert_int_equal(in(COUNTER + 1) << 8 | low, 0x9999);
	/* Digits above 9 do no harm. */
	out(COUNTER + 1, 0xff);
	out(COUNTER + 1, 0xff);
	in(COUNTER + 1);
	in(COUNTER + 1);
}

static void
test_read_back(void **state)
{
	(void)state;
	program(1, 2, 100);
	assert_int_equal(read_status(1), 0x80 | 0x30 | 2 << 1);
	out(CONTROL, 0x70); /* mode 0: output low, no count yet */
	assert_int_equal(read_status(1), 0x40 | 0x30);
	program(1, 0, 100);
	assert_int_equal(read_status(1), 0x30);
	wait_periods(100);
	assert_int_equal(read_status(1), 0x80 | 0x30);
	/* Status and count of two channels at once: the status comes first. */
	program(1, 2, 0x1111);
	program(0, 3, 0x2222);
	out(CONTROL, 0xc0 | 2 << 0 | 2 << 1);
	wait_periods(10);
	assert_int_equal(in(COUNTER + 1), 0x80 | 0x30 | 2 << 1);
	assert_int_equal(in(COUNTER + 1), 0x11);
	assert_int_equal(in(COUNTER + 1), 0x11);
	assert_int_equal(in(COUNTER), 0x80 | 0x30 | 3 << 1);
	assert_int_equal(in(COUNTER), 0x22);
	assert_int_equal(in(COUNTER), 0x22);
	/* Modes 6 and 7 mean 2 and 3. */
	program(1, 7, 100);
	assert_int_equal(read_status(1) & 0x0e, 3 << 1);
}

/* Kernels calibrate so: channel 2 in mode 0, with its output polled at port 61. */
static void
test_calibration(void **state)
{
	uint64_t start;

	(void)state;
	out(SPEAKER, (in(SPEAKER) & ~0x02) | 0x01);
	program(2, 0, PIT_HZ / 100);
	start = f.ns;
	while (!out2())
		f.ns += 1000;
	assert_in_range(f.ns - start, 9990000, 10010000);
}

/* The same in mode 1, which the gate starts. */
static void
test_gate_trigger(void **state)
{
	(void)state;
	program(2, 1, 1000);
	wait_periods(5000);
	assert_true(out2());
	out(SPEAKER, 1);
	assert_false(out2());
	wait_periods(999);
	assert_false(out2());
	wait_periods(2);
	assert_true(out2());
	out(SPEAKER, 0); /* no effect on mode 1 */
	assert_true(out2());
	out(SPEAKER, 1);
	assert_false(out2()); /* once more */
}

static void
test_gate_holds(void **state)
{
	uint16_t count;

	(void)state;
	out(SPEAKER, 1);
	program(2, 0, 1000);
	wait_periods(400);
	out(SPEAKER, 0);
	count = read_count(2);
	assert_in_range(count, 598, 600);
	wait_periods(5000);
	assert_int_equal(read_count(2), count);
	assert_false(out2());
	out(SPEAKER, 1);
	wait_periods(590);
	assert_false(out2());
	wait_periods(12);
	assert_true(out2());
	/* In modes 2 and 3 a low gate holds the output high, and a high gate starts the period
	 * anew. */
	program(2, 3, 1000);
	wait_periods(600);
	assert_false(out2());
	out(SPEAKER, 0);
	assert_true(out2());
	out(SPEAKER, 1);
	assert_int_equal(read_count(2), 1000);
}

static void
test_square_wave(void **state)
{
	(void)state;
	out(SPEAKER, 1);
	program(2, 3, 1001);
	assert_true(out2());
	wait_periods(499);
	assert_true(out2());
	wait_periods(3);
	assert_false(out2());
	wait_periods(500);
	assert_true(out2());
}

/* The output has the form that the 8254's data sheet draws. */
static void
test_square_wave_count(void **state)
{
	static const uint16_t even[] = {4, 2, 4, 2, 4}, odd[] = {4, 2, 0, 4, 2, 4, 2, 0};

	(void)state;
	program(0, 3, 4);
	for (unsigned int i = 0; i < sizeof even / sizeof even[0]; i++) {
		assert_int_equal(read_count(0), even[i]);
		wait_periods(1);
	}
	program(0, 3, 5);
	for (unsigned int i = 0; i < sizeof odd / sizeof odd[0]; i++) {
		assert_int_equal(read_count(0), odd[i]);
		wait_periods(1);
	}
}

static void
test_port61(void **state)
{
	bool refresh;

	(void)state;
	out(SPEAKER, 0xff);
	assert_int_equal(in(SPEAKER)&0xcf, 0x0f); /* the bits that can be written; no NMI */
	out(SPEAKER, 0);
	refresh = in(SPEAKER)&0x10;
	f.ns += 15085;
	assert_int_equal(in(SPEAKER)&0x10, refresh ? 0 : 0x10);
}

/* Time moves forward even with the shortest periods. */
static void
test_shortest(void **state)
{
	(void)state;
	for (unsigned int mode = 0; mode < 6; mode++) {
		program(0, mode, 1);
		for (int i = 0; i < 1000; i++) {
			uint64_t next = pit_tick(&f.pit);
			if (next == VDEV_NEVER)
				break;
			assert_true(next > f.ns);
			f.ns = next;
		}
	}
	pit_reset(&f.pit);
	assert_int_equal(pit_tick(&f.pit), VDEV_NEVER);
	assert_false(f.line.level);
}

#define T(name) cmocka_unit_test_setup(name, setup)
UNIT_MAIN(T(test_idle), T(test_periodic_interrupt), T(test_late), T(test_one_shot),
          T(test_due_at_write), T(test_latch_keeps_interrupt), T(test_fastest_interrupts),
          T(test_stopped_by_control_word), T(test_counting), T(test_latch), T(test_single_bytes),
          T(test_bcd), T(test_read_back), T(test_calibration), T(test_gate_trigger),
          T(test_gate_holds), T(test_square_wave), T(test_square_wave_count), T(test_port61),
          T(test_shortest))
