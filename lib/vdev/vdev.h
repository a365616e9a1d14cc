#ifndef NESTLING_LIB_VDEV_VDEV_H
#define NESTLING_LIB_VDEV_VDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Device models: functions to read, write, tick and reset, and a state that belongs to one VM. They
 * make no system call, have no clock and allocate nothing: time comes in as nanoseconds of guest
 * time, bytes and interrupt lines go out by call-backs.
 */

enum { VDEV_BUS_MAX = 32 };
#define VDEV_NEVER UINT64_MAX

struct vdev_bus;

/* A device and the range that it claims on a bus: of ports, or of guest-physical addresses. */
struct vdev {
	const char *name;
	uint64_t base, len;
	bool bytes; /* 8-bit device: the bus splits wider accesses, low address first, as ISA does
	             */
	/* addr is relative to base; size is 1, 2 or 4, in memory also 8.  Without a read function,
	 * reads give all ones; without a write function, writes are ignored. */
	uint64_t (*read)(void *state, uint64_t addr, unsigned int size);
	void (*write)(void *state, uint64_t addr, unsigned int size, uint64_t value);
	/*
	 * String transfers: move as many of the `count` items as they can at once, and return how
	 * many.  If that is 0, or the function NULL, the next item goes through read or write.
	 */
	size_t (*read_string)(void *state, uint64_t addr, unsigned int size, void *buf,
	                      size_t count);
	size_t (*write_string)(void *state, uint64_t addr, unsigned int size, const void *buf,
	                       size_t count);
	void *state;
};

struct vdev_bus {
	struct vdev dev[VDEV_BUS_MAX]; /* sorted by base */
	unsigned int count;
	const struct vdev *last; /* the device of the last access, or NULL */
	uint64_t unclaimed_reads, unclaimed_writes;
	uint64_t last_unclaimed; /* address */
};

/* Adds a copy of *dev; -1 if its range is empty or overlaps another, or the bus is full. */
int vdev_bus_add(struct vdev_bus *bus, const struct vdev *dev);
/* Returns the device that holds the whole access, or NULL. */
const struct vdev *vdev_bus_find(struct vdev_bus *bus, uint64_t addr, unsigned int size);
/* Access to that device; addr is an address on the bus. */
uint64_t vdev_read(const struct vdev *dev, uint64_t addr, unsigned int size);
void vdev_write(const struct vdev *dev, uint64_t addr, unsigned int size, uint64_t value);
/* Access to whatever device is there.  If no device holds the whole access, a read gives all ones,
 * a write is ignored, and either is counted. */
uint64_t vdev_bus_read(struct vdev_bus *bus, uint64_t addr, unsigned int size);
void vdev_bus_write(struct vdev_bus *bus, uint64_t addr, unsigned int size, uint64_t value);
void vdev_bus_read_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, void *buf,
                          size_t count);
void vdev_bus_write_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, const void *buf,
                           size_t count);

/* An interrupt line, for a device to drive. */
struct vdev_irq {
	void (*set)(void *arg, unsigned int line, bool level);
	void *arg;
	unsigned int line;
};

/* Guest time in nanoseconds; it never falls. */
struct vdev_clock {
	uint64_t (*now)(void *arg);
	void *arg;
};

#endif
