#include "lib/string.h"
#include "lib/vdev/vdev.h"

/* The first device whose range ends behind addr, or the end of the table. */
static unsigned int
first_behind(const struct vdev_bus *bus, uint64_t addr)
{
	unsigned int lo = 0, hi = bus->count;

	while (lo < hi) {
		unsigned int mid = (lo + hi) / 2;
		if (bus->dev[mid].base + (bus->dev[mid].len - 1) < addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
holds(const struct vdev *dev, uint64_t addr, unsigned int size)
{
	return addr - dev->base < dev->len && dev->len - (addr - dev->base) >= size;
}

/* Apart from the common case, which is short. */
static __attribute__((noinline)) const struct vdev *
search(struct vdev_bus *bus, uint64_t addr, unsigned int size)
{
	unsigned int i = first_behind(bus, addr);

	if (i == bus->count || !holds(&bus->dev[i], addr, size))
		return NULL;
	bus->last = i;
	return &bus->dev[i];
}

/* The device that holds all of the access, or NULL. */
static inline const struct vdev *
find(struct vdev_bus *bus, uint64_t addr, unsigned int size)
{
	const struct vdev *last = &bus->dev[bus->last];

	/* An empty bus has a device of length 0 there. */
	return holds(last, addr, size) ? last : search(bus, addr, size);
}

int
vdev_bus_add(struct vdev_bus *bus, const struct vdev *dev)
{
	uint64_t last = dev->base + (dev->len - 1);
	unsigned int i;

	if (dev->len == 0 || last < dev->base || bus->count == VDEV_BUS_MAX)
		return -1;
	i = first_behind(bus, dev->base);
	if (i < bus->count && bus->dev[i].base <= last)
		return -1;
	memmove(&bus->dev[i + 1], &bus->dev[i], (bus->count - i) * sizeof(bus->dev[0]));
	bus->dev[i] = *dev;
	bus->count++;
	return 0;
}

bool
vdev_bus_claims(struct vdev_bus *bus, uint64_t addr, unsigned int size)
{
	return find(bus, addr, size);
}

static uint64_t
all_ones(unsigned int size)
{
	return UINT64_MAX >> (64 - 8 * size);
}

static uint64_t
read_device(const struct vdev *dev, uint64_t addr, unsigned int size)
{
	uint64_t value = 0;

	if (!dev->read)
		return all_ones(size);
	if (!dev->bytes || size == 1)
		return dev->read(dev->state, addr, size) & all_ones(size);
	for (unsigned int i = 0; i < size; i++)
		value |= (dev->read(dev->state, addr + i, 1) & 0xff) << (8 * i);
	return value;
}

static void
write_device(const struct vdev *dev, uint64_t addr, unsigned int size, uint64_t value)
{
	value &= all_ones(size);
	if (!dev->write)
		return;
	if (!dev->bytes || size == 1) {
		dev->write(dev->state, addr, size, value);
		return;
	}
	for (unsigned int i = 0; i < size; i++)
		dev->write(dev->state, addr + i, 1, value >> (8 * i) & 0xff);
}

/* An access to the device that find() has found, which may be none. */
static uint64_t
read_found(struct vdev_bus *bus, const struct vdev *dev, uint64_t addr, unsigned int size)
{
	if (dev)
		return read_device(dev, addr - dev->base, size);
	bus->unclaimed_reads++;
	bus->last_unclaimed = addr;
	return all_ones(size);
}

static void
write_found(struct vdev_bus *bus, const struct vdev *dev, uint64_t addr, unsigned int size,
            uint64_t value)
{
	if (dev) {
		write_device(dev, addr - dev->base, size, value);
		return;
	}
	bus->unclaimed_writes++;
	bus->last_unclaimed = addr;
}

uint64_t
vdev_bus_read(struct vdev_bus *bus, uint64_t addr, unsigned int size)
{
	return read_found(bus, find(bus, addr, size), addr, size);
}

void
vdev_bus_write(struct vdev_bus *bus, uint64_t addr, unsigned int size, uint64_t value)
{
	write_found(bus, find(bus, addr, size), addr, size, value);
}

void
vdev_bus_read_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, void *buf,
                     size_t count)
{
	const struct vdev *dev = find(bus, addr, size);
	uint8_t *p = buf;

	while (count) {
		size_t n = 0;
		if (dev && dev->read_string)
			n = dev->read_string(dev->state, addr - dev->base, size, p, count);
		if (n == 0) {
			uint64_t value = read_found(bus, dev, addr, size);
			memcpy(p, &value, size);
			n = 1;
		}
		p += n * size;
		count -= n;
	}
}

void
vdev_bus_write_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, const void *buf,
                      size_t count)
{
	const struct vdev *dev = find(bus, addr, size);
	const uint8_t *p = buf;

	while (count) {
		size_t n = 0;
		if (dev && dev->write_string)
			n = dev->write_string(dev->state, addr - dev->base, size, p, count);
		if (n == 0) {
			uint64_t value = 0;
			memcpy(&value, p, size);
			write_found(bus, dev, addr, size, value);
			n = 1;
		}
		p += n * size;
		count -= n;
	}
}
