#ifndef NESTLING_LIB_VDEV_VDEV_H
#define NESTLING_LIB_VDEV_VDEV_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Device models: {read, write, tick, reset} plus state.  Pure: no system call,
 * no clock, no allocation.  Time comes in as nanoseconds of guest time, bytes
 * and interrupt lines go out by call-backs.  State belongs to a VM.
 */

enum { VDEV_BUS_MAX = 32 };
#define VDEV_NEVER UINT64_MAX

struct vdev_bus;

/* A claimed range of ports, or of guest-physical addresses: they have a bus each. */
struct vdev {
	const char *name;
	uint64_t base, len;
	bool bytes; /* an 8-bit device: wider accesses are split, low address first, as on ISA */
	/* addr is relative to base; size 1, 2 or 4, and 8 in memory.  NULL read: all ones; NULL
	 * write: ignored. */
	uint64_t (*read)(void *state, uint64_t addr, unsigned int size);
	void (*write)(void *state, uint64_t addr, unsigned int size, uint64_t value);
	/*
	 * String transfers of count items from or to one port: moves as many as it can in bulk
	 * and returns how many.  At 0, or when NULL, the next item goes through read/write.
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

/* -1 when the range overlaps another, is empty, or the bus is full. */
int vdev_bus_add(struct vdev_bus *bus, const struct vdev *dev);
/* The device that holds all of the access, or NULL; and the access, by the bus's address. */
const struct vdev *vdev_bus_find(struct vdev_bus *bus, uint64_t addr, unsigned int size);
uint64_t vdev_read(const struct vdev *dev, uint64_t addr, unsigned int size);
void vdev_write(const struct vdev *dev, uint64_t addr, unsigned int size, uint64_t value);
/* Unclaimed reads give all ones and are counted.  An access that crosses a range's end is
 * unclaimed. */
uint64_t vdev_bus_read(struct vdev_bus *bus, uint64_t addr, unsigned int size);
void vdev_bus_write(struct vdev_bus *bus, uint64_t addr, unsigned int size, uint64_t value);
void vdev_bus_read_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, void *buf,
                          size_t count);
void vdev_bus_write_string(struct vdev_bus *bus, uint64_t addr, unsigned int size, const void *buf,
                           size_t count);

/* An interrupt line: level 1 or 0. */
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
