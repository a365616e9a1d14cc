#include "lib/vdev/cmos.h"

/* Registers: MC146818A data sheet.  PC firmware keeps the sizes of memory in the RAM behind them.
 */
enum {
	RTC_SECONDS = 0x00,
	RTC_MINUTES = 0x02,
	RTC_HOURS = 0x04,
	RTC_WEEKDAY = 0x06, /* 1 is Sunday */
	RTC_DAY = 0x07,
	RTC_MONTH = 0x08,
	RTC_YEAR = 0x09,
	RTC_A = 0x0a,
	RTC_B = 0x0b,
	RTC_C = 0x0c,
	RTC_D = 0x0d,
	CMOS_EQUIPMENT = 0x14,
	CMOS_BASE_RAM = 0x15,     /* KiB below 640 KiB, 2 bytes */
	CMOS_EXTENDED_RAM = 0x17, /* KiB above 1 MiB, 2 bytes; again at 30 */
	CMOS_EXTENDED_RAM2 = 0x30,
	CMOS_CENTURY = 0x32,
	CMOS_RAM_16M = 0x34, /* units of 64 KiB above 16 MiB, 2 bytes */
	CMOS_RAM_4G = 0x5b,  /* units of 64 KiB above 4 GiB, 3 bytes */
};

enum {
	A_DEFAULT = 0x26, /* 32768 Hz time base, 1024 Hz rate */
	A_WRITABLE = 0x7f,
	B_24_HOURS = 0x02,
	B_BINARY = 0x04,
	B_SET = 0x80,
	C_UPDATED = 0x10,
	D_VALID = 0x80,
	HOURS_PM = 0x80,
	EQUIPMENT = 0x02,  /* a coprocessor, no floppy disk */
	INDEX_MASK = 0x7f, /* bit 7 of port 70 masks NMIs, which we do not have */
};

enum { MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

struct date {
	int year;
	int month, day; /* from 1 */
};

/* YEAR_MIN and YEAR_MAX: the years that the clock can show. */
enum { YEAR_MIN = 1900, YEAR_MAX = 9999, YEAR_UNIX = 1970 };

static bool
leap(int year)
{
	return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

/* Returns the days from 1 January of year 1 to 1 January of `year`. */
static int
days_before_year(int year)
{
	int past = year - 1;

	return 365 * past + past / 4 - past / 100 + past / 400;
}

static int
days_before_month(int year, int month)
{
	static const short days[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};

	return days[month - 1] + (month > 2 && leap(year));
}

/* Returns the date of a day.  A day outside the clock's range becomes the first or last day in it.
 */
static struct date
date_of(int64_t days_since_1970)
{
	int64_t wanted = days_since_1970 + days_before_year(YEAR_UNIX);
	int first = days_before_year(YEAR_MIN), last = days_before_year(YEAR_MAX + 1) - 1;
	int days = wanted < first ? first : wanted > last ? last : wanted;
	struct date d = {.year = days / 366 + 1, .month = 12};

	while (days_before_year(d.year + 1) <= days)
		d.year++;
	days -= days_before_year(d.year);
	while (days_before_month(d.year, d.month) > days)
		d.month--;
	d.day = days - days_before_month(d.year, d.month) + 1;
	return d;
}

static int64_t
days_of(const struct date *d)
{
	return days_before_year(d->year) + days_before_month(d->year, d->month) + d->day - 1 -
	       days_before_year(YEAR_UNIX);
}

static uint8_t
encode(const struct cmos *c, unsigned int n)
{
	return c->ram[RTC_B] & B_BINARY ? n : n / 10 << 4 | n % 10;
}

/* Decodes what the guest has written, which may be anything, into a number from min to max. */
static unsigned int
decode(const struct cmos *c, uint8_t v, unsigned int min, unsigned int max)
{
	unsigned int n = c->ram[RTC_B] & B_BINARY ? v : (v >> 4) * 10u + (v & 0xf);

	return n < min ? min : n > max ? max : n;
}

static uint8_t
encode_hour(const struct cmos *c, unsigned int hour)
{
	if (c->ram[RTC_B] & B_24_HOURS)
		return encode(c, hour);
	return encode(c, hour % 12 ? hour % 12 : 12) | (hour >= 12 ? HOURS_PM : 0);
}

static unsigned int
decode_hour(const struct cmos *c, uint8_t v)
{
	if (c->ram[RTC_B] & B_24_HOURS)
		return decode(c, v, 0, 23);
	return decode(c, v & ~HOURS_PM, 1, 12) % 12 + (v & HOURS_PM ? 12 : 0);
}

static int64_t
guest_seconds(const struct cmos *c)
{
	return c->clock.now(c->clock.arg) / 1000000000u;
}

static bool
is_time(unsigned int reg)
{
	static const bool time[CMOS_SIZE] = {
	        [RTC_SECONDS] = true, [RTC_MINUTES] = true,  [RTC_HOURS] = true,
	        [RTC_WEEKDAY] = true, [RTC_DAY] = true,      [RTC_MONTH] = true,
	        [RTC_YEAR] = true,    [CMOS_CENTURY] = true,
	};

	return time[reg];
}

/* Brings the time registers up to date, unless the guest is setting them. */
static void
show_time(struct cmos *c)
{
	int64_t now = c->epoch + guest_seconds(c);
	int64_t days = (now >= 0 ? now : now - (DAY - 1)) / DAY;
	unsigned int second = now - days * DAY;
	struct date d = date_of(days);

	if (c->ram[RTC_B] & B_SET)
		return;
	c->ram[RTC_SECONDS] = encode(c, second % MINUTE);
	c->ram[RTC_MINUTES] = encode(c, second % HOUR / MINUTE);
	c->ram[RTC_HOURS] = encode_hour(c, second / HOUR);
	c->ram[RTC_WEEKDAY] = encode(c, ((days + 4) % 7 + 7) % 7 + 1); /* day 0 was a Thursday */
	c->ram[RTC_DAY] = encode(c, d.day);
	c->ram[RTC_MONTH] = encode(c, d.month);
	c->ram[RTC_YEAR] = encode(c, d.year % 100);
	c->ram[CMOS_CENTURY] = encode(c, d.year / 100);
}

/* Sets the clock to the time registers, which the guest has written. */
static void
take_time(struct cmos *c)
{
	struct date d = {
	        .year = decode(c, c->ram[CMOS_CENTURY], YEAR_MIN / 100, 99) * 100 +
	                decode(c, c->ram[RTC_YEAR], 0, 99),
	        .month = decode(c, c->ram[RTC_MONTH], 1, 12),
	        .day = decode(c, c->ram[RTC_DAY], 1, 31),
	};

	c->epoch = days_of(&d) * DAY + decode_hour(c, c->ram[RTC_HOURS]) * HOUR +
	           decode(c, c->ram[RTC_MINUTES], 0, 59) * MINUTE +
	           decode(c, c->ram[RTC_SECONDS], 0, 59) - guest_seconds(c);
}

/* Register C has only its update flag, set once a second has passed since the last read. */
static uint8_t
read_c(struct cmos *c)
{
	int64_t now = guest_seconds(c);
	bool updated = now != c->flag_second && !(c->ram[RTC_B] & B_SET);

	c->flag_second = now;
	return updated ? C_UPDATED : 0;
}

static uint64_t
cmos_read(void *state, uint64_t port, unsigned int size)
{
	struct cmos *c = state;

	(void)size;
	if (port == 0)
		return 0xff; /* the index cannot be read back */
	if (c->index == RTC_C)
		return read_c(c);
	if (is_time(c->index))
		show_time(c);
	return c->ram[c->index];
}

static void
write_b(struct cmos *c, uint8_t value)
{
	bool was_set = c->ram[RTC_B] & B_SET;

	/* Show the time in the old format before the new format applies. */
	show_time(c);
	if (was_set && !(value & B_SET))
		take_time(c);
	c->ram[RTC_B] = value;
}

static void
write_register(struct cmos *c, uint8_t value)
{
	switch (c->index) {
	case RTC_A:
		c->ram[RTC_A] = value & A_WRITABLE;
		return;
	case RTC_B:
		write_b(c, value);
		return;
	case RTC_C:
	case RTC_D:
		return;
	}
	if (is_time(c->index))
		show_time(c);
	c->ram[c->index] = value;
	if (is_time(c->index) && !(c->ram[RTC_B] & B_SET))
		take_time(c);
}

static void
cmos_write(void *state, uint64_t port, unsigned int size, uint64_t value)
{
	struct cmos *c = state;

	(void)size;
	if (port == 0)
		c->index = value & INDEX_MASK;
	else
		write_register(c, value);
}

static void
store(struct cmos *c, unsigned int reg, unsigned int bytes, uint64_t value)
{
	uint64_t max = (1ull << (8 * bytes)) - 1;

	if (value > max)
		value = max;
	for (unsigned int i = 0; i < bytes; i++)
		c->ram[reg + i] = value >> (8 * i);
}

/* Returns how much of the RAM lies between `from` and `to`, in units of `unit` bytes. */
static uint64_t
ram_units(uint64_t ram, uint64_t from, uint64_t unit)
{
	return ram > from ? (ram - from) / unit : 0;
}

void
cmos_init(struct cmos *c, const struct vdev_clock *clock, const struct cmos_config *config)
{
	*c = (struct cmos){
	        .epoch = config->epoch,
	        .low_ram = config->low_ram,
	        .high_ram = config->high_ram,
	        .clock = *clock,
	};
	c->ram[RTC_D] = D_VALID;
	cmos_reset(c);
}

void
cmos_reset(struct cmos *c)
{
	const uint64_t kib = 1024, mib = 1024 * kib;
	uint64_t base = c->low_ram < 640 * kib ? c->low_ram : 640 * kib;

	c->index = 0;
	c->ram[RTC_A] = A_DEFAULT;
	write_b(c, B_24_HOURS);
	c->ram[CMOS_EQUIPMENT] = EQUIPMENT;
	store(c, CMOS_BASE_RAM, 2, base / kib);
	store(c, CMOS_EXTENDED_RAM, 2, ram_units(c->low_ram, mib, kib));
	store(c, CMOS_EXTENDED_RAM2, 2, ram_units(c->low_ram, mib, kib));
	store(c, CMOS_RAM_16M, 2, ram_units(c->low_ram, 16 * mib, 64 * kib));
	store(c, CMOS_RAM_4G, 3, c->high_ram / (64 * kib));
}

int
cmos_attach(struct cmos *c, struct vdev_bus *bus)
{
	return vdev_bus_add(bus, &(struct vdev){
	                                 .name = "cmos",
	                                 .base = 0x70,
	                                 .len = 2,
	                                 .bytes = true,
	                                 .read = cmos_read,
	                                 .write = cmos_write,
	                                 .state = c,
	                         });
}
