// SOURCES: lib/vdev/bus.c lib/vdev/cmos.c
#include <string.h>
#include <time.h>

#include "lib/vdev/cmos.h"
#include "tests/unit/unit.h"

enum { INDEX = 0x70, DATA = 0x71 };
enum {
	SECONDS = 0,
	MINUTES = 2,
	HOURS = 4,
	WEEKDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9,
	CENTURY = 0x32
};
enum { A = 10, B = 11, C = 12, D = 13, B_24 = 0x02, B_BINARY = 0x04, B_SET = 0x80 };

#define SECOND 1000000000ull
#define MIB    (1024 * 1024ull)

static struct fixture {
	struct vdev_bus bus;
	struct cmos cmos;
	uint64_t ns;
} f;

static void
start(int64_t epoch, uint64_t low_ram, uint64_t high_ram)
{
	struct vdev_clock clock = clock_at(&f.ns);
	struct cmos_config config = {.epoch = epoch, .low_ram = low_ram, .high_ram = high_ram};

	memset(&f, 0, sizeof(f));
	cmos_init(&f.cmos, &clock, &config);
	assert_int_equal(cmos_attach(&f.cmos, &f.bus), 0);
}

static int
setup(void **state)
{
	(void)state;
	start(946684800, 64 * MIB, 0); /* 2000-01-01 00:00:00, a Saturday */
	return 0;
}

static uint8_t
get(uint8_t reg)
{
	out8(&f.bus, INDEX, reg);
	return in8(&f.bus, DATA);
}

static uint16_t
get16(uint8_t reg)
{
	return get(reg) | get(reg + 1) << 8;
}

static void
set(uint8_t reg, uint8_t value)
{
	out8(&f.bus, INDEX, reg);
	out8(&f.bus, DATA, value);
}

static int
from_bcd(uint8_t v)
{
	return (v >> 4) * 10 + (v & 15);
}

/* Checks that the clock shows this time, as the host's C library converts it. */
static void
expect_time(int64_t t)
{
	time_t host = t;
	struct tm tm;

	gmtime_r(&host, &tm);
	assert_int_equal(from_bcd(get(SECONDS)), tm.tm_sec);
	assert_int_equal(from_bcd(get(MINUTES)), tm.tm_min);
	assert_int_equal(from_bcd(get(HOURS)), tm.tm_hour);
	assert_int_equal(from_bcd(get(WEEKDAY)), tm.tm_wday + 1);
	assert_int_equal(from_bcd(get(DAY)), tm.tm_mday);
	assert_int_equal(from_bcd(get(MONTH)), tm.tm_mon + 1);
	assert_int_equal(from_bcd(get(CENTURY)) * 100 + from_bcd(get(YEAR)), tm.tm_year + 1900);
}

static void
test_time_runs(void **state)
{
	(void)state;
	expect_time(946684800);
	f.ns = SECOND - 1;
	expect_time(946684800);
	f.ns = SECOND;
	expect_time(946684801);
	f.ns = 86400 * SECOND * 60; /* beyond the leap day of 2000 */
	expect_time(946684800 + 86400 * 60);
}

static void
test_calendar(void **state)
{
	uint64_t seed = 5;

	(void)state;
	for (int i = 0; i < 5000; i++) {
		/* 1900 to 9999 */
		int64_t t = -2208988800 + (int64_t)(random32(&seed) % 95617) * 2673000;

		t += random32(&seed) % 2673000;
		start(t, MIB, 0);
		expect_time(t);
	}
	start(-2208988800, MIB, 0);
	expect_time(-2208988800);
	start(253402300799, MIB, 0);
	expect_time(253402300799);
}

static void
test_formats(void **state)
{
	(void)state;
	f.ns = (15 * 3600 + 42 * 60 + 37) * SECOND;
	assert_int_equal(get(HOURS), 0x15);
	set(B, 0); /* 12 hours, BCD */
	assert_int_equal(get(HOURS), 0x83);
	set(B, B_BINARY);
	assert_int_equal(get(HOURS), 0x83);
	assert_int_equal(get(MINUTES), 42);
	assert_int_equal(get(YEAR), 0);
	set(B, B_BINARY | B_24);
	assert_int_equal(get(HOURS), 15);
	f.ns = 0;
	set(B, 0);
	assert_int_equal(get(HOURS), 0x12); /* midnight is 12 AM */
	f.ns = 12 * 3600 * SECOND;
	assert_int_equal(get(HOURS), 0x92);
}

/* A driver sets the clock: stop it, write, let it run. */
static void
test_set_time(void **state)
{
	(void)state;
	f.ns = 5 * SECOND;
	set(B, B_SET | B_24);
	set(CENTURY, 0x20);
	set(YEAR, 0x24);
	set(MONTH, 0x02);
	set(DAY, 0x29);
	set(HOURS, 0x23);
	set(MINUTES, 0x59);
	set(SECONDS, 0x58);
	f.ns = 100 * SECOND;
	assert_int_equal(get(SECONDS), 0x58); /* the clock stands */
	set(B, B_24);
	expect_time(1709251198);
	f.ns = 102 * SECOND;
	expect_time(1709251200); /* 1 March */
	/* A single register is set while the clock runs. */
	set(MINUTES, 0x30);
	expect_time(1709251200 + 30 * 60);
	f.ns = 103 * SECOND;
	expect_time(1709251201 + 30 * 60);
	cmos_reset(&f.cmos); /* it has a battery */
	expect_time(1709251201 + 30 * 60);
}

/* A driver can set 12-hour time, too. */
static void
test_set_12_hours(void **state)
{
	(void)state;
	set(B, 0);
	set(HOURS, 0x81);
	set(B, B_24);
	assert_int_equal(get(HOURS), 0x13);
	set(B, 0);
	set(HOURS, 0x12);
	set(B, B_24);
	assert_int_equal(get(HOURS), 0x00);
}

static void
test_nonsense_time(void **state)
{
	(void)state;
	for (int value = 0; value < 256; value++) {
		for (int format = 0; format < 8; format += 2) {
			set(B, B_SET | format);
			for (int reg = 0; reg < 10; reg++)
				set(reg, value);
			set(CENTURY, value);
			set(B, B_24);
			assert_in_range(from_bcd(get(MONTH)), 1, 12);
			assert_in_range(from_bcd(get(DAY)), 1, 31);
			assert_in_range(from_bcd(get(HOURS)), 0, 23);
			assert_in_range(from_bcd(get(MINUTES)), 0, 59);
		}
	}
}

static void
test_status_registers(void **state)
{
	(void)state;
	assert_int_equal(get(A), 0x26);
	set(A, 0xff);
	assert_int_equal(get(A) & 0x80, 0); /* an update is never in progress */
	assert_int_equal(get(B), B_24);
	assert_int_equal(get(D), 0x80);
	set(D, 0);
	assert_int_equal(get(D), 0x80);
	/* Register C tells once that a second has passed. */
	assert_int_equal(get(C), 0);
	f.ns += SECOND;
	assert_int_equal(get(C), 0x10);
	assert_int_equal(get(C), 0);
	set(C, 0xff);
	assert_int_equal(get(C), 0);
}

static void
test_index(void **state)
{
	(void)state;
	set(0x40, 0x77);
	assert_int_equal(get(0x40), 0x77);
	assert_int_equal(get(0xc0), 0x77); /* bit 7 masks NMI */
	assert_int_equal(in8(&f.bus, INDEX), 0xff);
	vdev_bus_write(&f.bus, INDEX, 2, 0x5540); /* index and value at once */
	assert_int_equal(get(0x40), 0x55);
	set(0x7f, 1);
	assert_int_equal(get(0xff), 1);
}

static void
test_memory_size(void **state)
{
	(void)state;
	assert_int_equal(get16(0x15), 640);
	assert_int_equal(get16(0x17), 63 * 1024);
	assert_int_equal(get16(0x30), 63 * 1024);
	assert_int_equal(get16(0x34), 48 * 16);
	assert_int_equal(get16(0x5b) | get(0x5d), 0);
	start(0, 512 * 1024, 0);
	assert_int_equal(get16(0x15), 512);
	assert_int_equal(get16(0x17) | get16(0x34), 0);
	start(0, 16 * MIB, 0);
	assert_int_equal(get16(0x17), 15 * 1024);
	assert_int_equal(get16(0x34), 0);
	start(0, 3072 * MIB, 5120 * MIB);
	assert_int_equal(get16(0x17), 65535);
	assert_int_equal(get16(0x34), (3072 - 16) * 16);
	assert_int_equal(get16(0x5b), 5120 * 16 & 0xffff);
	assert_int_equal(get(0x5d), 5120 * 16 >> 16);
	start(0, 0, UINT64_MAX);
	assert_int_equal(get16(0x15), 0);
	assert_int_equal(get16(0x5b), 0xffff);
	assert_int_equal(get(0x5d), 0xff);
}

/* A guest's settings do not mislead the next guest, and the clock runs again. */
static void
test_reset(void **state)
{
	static const uint8_t regs[] = {A,    0x14, 0x15, 0x16, 0x17, 0x18,
	                               0x30, 0x31, 0x34, 0x35, 0x5b};
	uint8_t before[sizeof(regs)];

	(void)state;
	for (unsigned int i = 0; i < sizeof(regs); i++) {
		before[i] = get(regs[i]);
		set(regs[i], 0x5a);
	}
	set(0x40, 0x77);
	set(B, B_24 | B_BINARY);
	set(B, B_24 | B_BINARY | B_SET);
	f.ns = SECOND;
	cmos_reset(&f.cmos);
	for (unsigned int i = 0; i < sizeof(regs); i++)
		assert_int_equal(get(regs[i]), before[i]);
	assert_int_equal(get(0x40), 0x77); /* it has a battery */
	assert_int_equal(get(B), B_24);
	expect_time(946684800); /* the clock stood */
	f.ns = 2 * SECOND;
	expect_time(946684801);
}

#define T(name) cmocka_unit_test_setup(name, setup)
UNIT_MAIN(T(test_time_runs), T(test_calendar), T(test_formats), T(test_set_time),
          T(test_set_12_hours), T(test_nonsense_time), T(test_status_registers), T(test_index),
          T(test_memory_size), T(test_reset))
