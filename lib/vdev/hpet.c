#include "lib/vdev/hpet.h"

/* IA-PC HPET specification, "General Capabilities and ID Register". */
#define CAP_REVISION      0x01ull
#define CAP_COUNTER_64    (1ull << 13)
#define CAP_VENDOR        (0x8086ull << 16)
#define CAP_PERIOD_FS(fs) ((uint64_t)(fs) << 32)

enum { FS_PER_NS = 1000000, REGISTER = 8 };

/* What the counter gains by running, since the clock's beginning. */
static uint64_t
periods(const struct hpet *h)
{
	return h->clock.now(h->clock.arg) / HPET_PERIOD_NS;
}

static uint64_t
counter(const struct hpet *h)
{
	return h->enabled ? h->counter + periods(h) : h->counter;
}

static void
set_counter(struct hpet *h, uint64_t value)
{
	h->counter = h->enabled ? value - periods(h) : value;
}

static void
set_enabled(struct hpet *h, bool enabled)
{
	uint64_t value;

	if (h->enabled == enabled)
		return;
	value = counter(h);
	h->enabled = enabled;
	set_counter(h, value);
}

static uint64_t
read_register(const struct hpet *h, uint64_t reg)
{
	switch (reg) {
	case HPET_CAPABILITIES:
		return CAP_REVISION | CAP_COUNTER_64 | CAP_VENDOR |
		       CAP_PERIOD_FS(HPET_PERIOD_NS * FS_PER_NS);
	case HPET_CONFIG:
		return h->enabled ? HPET_ENABLE : 0;
	case HPET_COUNTER:
		return counter(h);
	}
	return 0;
}

/* An access that is not within one register is none that the specification has. */
static bool
is_within(uint64_t addr, unsigned int size)
{
	return addr % REGISTER + size <= REGISTER;
}

static uint64_t
hpet_read(void *state, uint64_t addr, unsigned int size)
{
	uint64_t part = addr % REGISTER;

	if (!is_within(addr, size))
		return UINT64_MAX;
	return read_register(state, addr - part) >> 8 * part;
}

static void
hpet_write(void *state, uint64_t addr, unsigned int size, uint64_t value)
{
	struct hpet *h = state;
	uint64_t part = addr % REGISTER, reg = addr - part;
	uint64_t mask;

	if (!is_within(addr, size) || (reg != HPET_CONFIG && reg != HPET_COUNTER))
		return;
	mask = UINT64_MAX >> (64 - 8 * size) << 8 * part;
	value = (read_register(h, reg) & ~mask) | (value << 8 * part & mask);
	if (reg == HPET_COUNTER)
		set_counter(h, value);
	else
		set_enabled(h, value & HPET_ENABLE);
}

void
hpet_init(struct hpet *h, const struct vdev_clock *clock)
{
	*h = (struct hpet){.clock = *clock};
}

void
hpet_reset(struct hpet *h)
{
	h->enabled = false;
	h->counter = 0;
}

int
hpet_attach(struct hpet *h, struct vdev_bus *bus)
{
	const struct vdev dev = {
	        .name = "hpet",
	        .base = HPET_GPA,
	        .len = HPET_SIZE,
	        .read = hpet_read,
	        .write = hpet_write,
	        .state = h,
	};

	return vdev_bus_add(bus, &dev);
}
