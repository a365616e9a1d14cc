#include "lib/vdev/pit.h"

enum { NS_PER_SECOND = 1000000000 };

enum { PORT_CONTROL = 3 };

/* Control word and read-back command. */
enum {
	ACCESS_LATCH = 0,
	ACCESS_LOW = 1,
	ACCESS_HIGH = 2,
	ACCESS_BOTH = 3,
	READ_BACK = 3, /* in the place of a channel's number */
	READ_BACK_NO_COUNT = 0x20,
	READ_BACK_NO_STATUS = 0x10,
	STATUS_OUTPUT = 0x80,
	STATUS_NULL = 0x40, /* the count written is not in the counter yet */
};

/* Port 61. */
enum {
	GATE2 = 0x01,
	SPEAKER_WRITABLE = 0x0f,
	REFRESH = 0x10, /* toggles with each refresh of the RAM */
	OUTPUT2 = 0x20,
	REFRESH_NS = 15085,
};

/* Seconds and the rest are converted separately, so that nothing overflows. */
static uint64_t
periods_of(uint64_t ns)
{
	return ns / NS_PER_SECOND * PIT_HZ + ns % NS_PER_SECOND * PIT_HZ / NS_PER_SECOND;
}

/* Rounds up: by the time returned, that many periods have passed. */
static uint64_t
ns_of(uint64_t periods)
{
	return periods / PIT_HZ * NS_PER_SECOND +
	       (periods % PIT_HZ * NS_PER_SECOND + PIT_HZ - 1) / PIT_HZ;
}

static uint64_t
now_ns(const struct pit *p)
{
	return p->clock.now(p->clock.arg);
}

static uint64_t
now_periods(const struct pit *p)
{
	return periods_of(now_ns(p));
}

/* In modes 1 and 5 a rising edge of the gate starts the counter, not the write of a count. */
static bool
triggered_by_gate(const struct pit_channel *c)
{
	return c->mode == 1 || c->mode == 5;
}

static bool
periodic(const struct pit_channel *c)
{
	return c->mode == 2 || c->mode == 3;
}

static uint64_t
elapsed(const struct pit_channel *c, uint64_t now)
{
	return c->running ? now - c->start : c->stopped;
}

static bool
output(const struct pit_channel *c, uint64_t now)
{
	uint64_t t = elapsed(c, now);

	if (!c->loaded)
		return c->mode != 0;
	switch (c->mode) {
	case 0:
		return t >= c->reload;
	case 1:
		return !c->running || t >= c->reload;
	case 2:
		return !c->running || t % c->reload != c->reload - 1;
	case 3:
		return !c->running || t % c->reload < (c->reload + 1) / 2;
	default: /* a strobe of one period */
		return !c->running || t != c->reload;
	}
}

/* Returns how often the output has risen since start. */
static uint64_t
rising_edges(const struct pit_channel *c, uint64_t now)
{
	uint64_t t = elapsed(c, now);

	if (!c->loaded || (!c->running && c->mode != 0))
		return 0;
	if (periodic(c))
		return t / c->reload;
	return c->mode <= 1 ? t >= c->reload : t > c->reload;
}

/* Returns the time at which the output rises next, or VDEV_NEVER. */
static uint64_t
next_edge(const struct pit_channel *c, uint64_t now)
{
	uint64_t done = rising_edges(c, now);

	if (!c->loaded || !c->running || (done && !periodic(c)))
		return VDEV_NEVER;
	if (periodic(c))
		return c->start + (done + 1) * c->reload;
	return c->start + c->reload + (c->mode > 1);
}

/* The counter goes on from its top when it has reached 0: it has four digits with bcd, else 16
 * bits. */
static uint32_t
modulus(const struct pit_channel *c)
{
	return c->bcd ? 10000 : 65536;
}

static uint16_t
to_bcd(uint32_t n)
{
	return n / 1000 % 10 << 12 | n / 100 % 10 << 8 | n / 10 % 10 << 4 | n % 10;
}

static uint32_t
from_bcd(uint16_t v)
{
	return (v >> 12) * 1000u + (v >> 8 & 0xf) * 100u + (v >> 4 & 0xf) * 10u + (v & 0xf);
}

/* The counter falls by twos from an even number: once with the output high, once with it low. */
static uint32_t
square_count(const struct pit_channel *c, uint64_t t)
{
	uint64_t high = (c->reload + 1) / 2;

	t %= c->reload;
	return (c->reload & ~1u) - 2 * (t < high ? t : t - high);
}

static uint16_t
count(const struct pit_channel *c, uint64_t now)
{
	uint64_t t = elapsed(c, now);
	uint32_t n;

	if (!c->loaded)
		return 0;
	if (c->mode == 3)
		n = square_count(c, t);
	else if (c->mode == 2)
		n = c->reload - t % c->reload;
	else
		n = modulus(c) + c->reload - t % modulus(c);
	n %= modulus(c);
	return c->bcd ? to_bcd(n) : n;
}

static void
load(struct pit_channel *c, uint16_t value, uint64_t now)
{
	uint32_t n = c->bcd ? from_bcd(value) : value;

	c->reload = n ? n : modulus(c);
	c->loaded = true;
	c->start = now;
	c->stopped = 0;
	c->edges = 0;
	c->running = c->gate && !triggered_by_gate(c);
}

static void
unload(struct pit_channel *c)
{
	c->loaded = c->running = false;
	c->stopped = c->edges = 0;
}

static void
set_gate(struct pit_channel *c, bool gate, uint64_t now)
{
	bool rising = gate && !c->gate, falling = !gate && c->gate;

	c->gate = gate;
	if (rising && c->loaded) {
		/* In modes 0 and 4 the counter goes on, in the others it starts again. */
		c->start = c->mode == 0 || c->mode == 4 ? now - c->stopped : now;
		c->edges = 0;
		c->running = true;
	} else if (falling && !triggered_by_gate(c)) {
		c->stopped = elapsed(c, now);
		c->running = false;
	}
}

static uint8_t
status(const struct pit_channel *c, uint64_t now)
{
	return (output(c, now) ? STATUS_OUTPUT : 0) |
	       (!c->loaded || c->write_high ? STATUS_NULL : 0) | c->access << 4 | c->mode << 1 |
	       c->bcd;
}

/* A latched count stays until it is read: until then further latch commands do nothing. */
static void
latch_count(struct pit_channel *c, uint64_t now)
{
	if (!c->latched)
		c->latch = count(c, now);
	c->latched = true;
}

static void
latch_status(struct pit_channel *c, uint64_t now)
{
	if (!c->status_latched)
		c->status = status(c, now);
	c->status_latched = true;
}

static uint8_t
read_channel(struct pit_channel *c, uint64_t now)
{
	uint16_t value = c->latched ? c->latch : count(c, now);
	bool high = c->access == ACCESS_HIGH || (c->access == ACCESS_BOTH && c->read_high);

	if (c->status_latched) {
		c->status_latched = false;
		return c->status;
	}
	if (c->access == ACCESS_BOTH)
		c->read_high = !c->read_high;
	if (high || c->access == ACCESS_LOW)
		c->latched = false;
	return high ? value >> 8 : value;
}

static void
write_channel(struct pit_channel *c, uint8_t value, uint64_t now)
{
	switch (c->access) {
	case ACCESS_LOW:
		load(c, value, now);
		break;
	case ACCESS_HIGH:
		load(c, value << 8, now);
		break;
	default:
		if (c->write_high) {
			load(c, value << 8 | c->low, now);
		} else {
			c->low = value;
			if (c->mode == 0) /* the first byte stops the counter */
				unload(c);
		}
		c->write_high = !c->write_high;
	}
}

static void
read_back(struct pit *p, uint8_t command, uint64_t now)
{
	for (unsigned int i = 0; i < PIT_CHANNELS; i++) {
		if (!(command & 2 << i))
			continue;
		if (!(command & READ_BACK_NO_COUNT))
			latch_count(&p->channel[i], now);
		if (!(command & READ_BACK_NO_STATUS))
			latch_status(&p->channel[i], now);
	}
}

static void
write_control(struct pit *p, uint8_t value, uint64_t now)
{
	unsigned int number = value >> 6, access = value >> 4 & 3, mode = value >> 1 & 7;
	struct pit_channel *c = &p->channel[number % PIT_CHANNELS];

	if (number == READ_BACK) {
		read_back(p, value, now);
	} else if (access == ACCESS_LATCH) {
		latch_count(c, now);
	} else {
		*c = (struct pit_channel){
		        .mode = mode > 5 ? mode - 4 : mode, /* 6 and 7 are 2 and 3 */
		        .access = access,
		        .bcd = value & 1,
		        .gate = c->gate,
		};
	}
}

static uint64_t
pit_read(void *state, uint64_t port, unsigned int size)
{
	struct pit *p = state;

	(void)size;
	if (port == PORT_CONTROL)
		return 0xff; /* write-only */
	return read_channel(&p->channel[port], now_periods(p));
}

/* Raises IRQ 0 once for all rising edges of channel 0 since the last call. */
static void
update_irq(struct pit *p, uint64_t now)
{
	struct pit_channel *c = &p->channel[0];
	uint64_t edges = rising_edges(c, now);

	if (edges != c->edges) {
		p->irq.set(p->irq.arg, p->irq.line, false);
		p->irq.set(p->irq.arg, p->irq.line, true);
	}
	c->edges = edges;
}

static void
pit_write(void *state, uint64_t port, unsigned int size, uint64_t value)
{
	struct pit *p = state;
	uint64_t now = now_periods(p);

	(void)size;
	p->moved = true;
	update_irq(p, now);
	if (port == PORT_CONTROL)
		write_control(p, value, now);
	else
		write_channel(&p->channel[port], value, now);
	/* In mode 0 a new count takes a pending interrupt back; a latch command must not. */
	if (p->channel[0].mode == 0 && !output(&p->channel[0], now))
		p->irq.set(p->irq.arg, p->irq.line, false);
}

static uint64_t
speaker_read(void *state, uint64_t port, unsigned int size)
{
	struct pit *p = state;

	(void)port;
	(void)size;
	return p->port61 | (now_ns(p) / REFRESH_NS % 2 ? REFRESH : 0) |
	       (output(&p->channel[2], now_periods(p)) ? OUTPUT2 : 0);
}

static void
speaker_write(void *state, uint64_t port, unsigned int size, uint64_t value)
{
	struct pit *p = state;

	(void)port;
	(void)size;
	p->port61 = value & SPEAKER_WRITABLE;
	set_gate(&p->channel[2], value & GATE2, now_periods(p));
}

uint64_t
pit_tick(struct pit *p)
{
	const struct pit_channel *c = &p->channel[0];
	uint64_t now = now_periods(p), next;

	p->moved = false;
	update_irq(p, now);
	next = next_edge(c, now);
	if (periodic(c) && c->reload < PIT_COUNT_MIN && next != VDEV_NEVER)
		next = now + PIT_COUNT_MIN;
	return next == VDEV_NEVER ? VDEV_NEVER : ns_of(next);
}

void
pit_init(struct pit *p, const struct vdev_clock *clock, const struct vdev_irq *irq)
{
	*p = (struct pit){.clock = *clock, .irq = *irq};
	pit_reset(p);
}

void
pit_reset(struct pit *p)
{
	for (unsigned int i = 0; i < PIT_CHANNELS; i++)
		p->channel[i] =
		        (struct pit_channel){.mode = 3, .access = ACCESS_BOTH, .gate = i != 2};
	p->port61 = 0;
	p->moved = true;
	p->irq.set(p->irq.arg, p->irq.line, false);
}

int
pit_attach(struct pit *p, struct vdev_bus *bus)
{
	struct vdev timer = {
	        .name = "pit",
	        .base = 0x40,
	        .len = 4,
	        .bytes = true,
	        .read = pit_read,
	        .write = pit_write,
	        .state = p,
	};
	struct vdev speaker = {
	        .name = "speaker",
	        .base = 0x61,
	        .len = 1,
	        .bytes = true,
	        .read = speaker_read,
	        .write = speaker_write,
	        .state = p,
	};

	return vdev_bus_add(bus, &timer) || vdev_bus_add(bus, &speaker) ? -1 : 0;
}
