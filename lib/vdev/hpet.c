#include "lib/vdev/hpet.h"

/* IA-PC HPET specification, "General Capabilities and ID Register". */
#define CAP_REVISION      0x01ull
#define CAP_COUNTER_64    (1ull << 13)
#define CAP_VENDOR        (0x8086ull << 16)
#define CAP_PERIOD_FS(fs) ((uint64_t)(fs) << 32)

enum { FS_PER_NS = 1000000, REGISTER = 8 };

/* Returns the counts that h->counter lacks: while the counter runs, those since the clock began. */
static uint64_t
gained(const struct hpet *h)
{
	return h->enabled ? h->clock.now(h->clock.arg) / HPET_PERIOD_NS : 0;
}

static void
set_enabled(struct hpet *h, bool enabled)
{
	h->counter += gained(h);
	h->enabled = enabled;
	h->counter -= gained(h);
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
		return h->counter + gained(h);
	}
	return 0;
}

/* The specification knows only accesses within one register. */
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

static uint64_t
merge(uint64_t old, uint64_t value, uint64_t mask)
{
	return (old & ~mask) | (value & mask);
}

static void
write_counter(struct hpet *h, uint64_t value, uint64_t mask)
{
	uint64_t running = gained(h);

	h->counter = merge(h->counter + running, value, mask) - running;
}

static void
write_config(struct hpet *h, uint64_t value, uint64_t mask)
{
	set_enabled(h, merge(h->enabled ? HPET_ENABLE : 0, value, mask) & HPET_ENABLE);
}

static void
hpet_write(void *state, uint64_t addr, unsigned int size, uint64_t value)
{
	uint64_t part = addr % REGISTER, reg = addr - part;
	uint64_t mask;

	if (!is_within(addr, size))
		return;
	mask = UINT64_MAX >> (64 - 8 * size) << 8 * part;
	value <<= 8 * part;
	if (reg == HPET_COUNTER)
		write_counter(state, value, mask);
	else if (reg == HPET_CONFIG)
		write_config(state, value, mask);
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
