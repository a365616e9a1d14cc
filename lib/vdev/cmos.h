#ifndef NESTLING_LIB_VDEV_CMOS_H
#define NESTLING_LIB_VDEV_CMOS_H

#include "lib/vdev/vdev.h"

/*
 * The PC's MC146818 clock and its battery-backed RAM, ports 70-71.  The model raises no
 * interrupts, and an update is never in progress (register A's bit 7 is clear).
 */

enum { CMOS_SIZE = 128 };

struct cmos {
	uint8_t ram[CMOS_SIZE];
	uint8_t index;
	int64_t epoch; /* seconds since 1970 at guest time 0; moves when the guest sets the clock */
	int64_t flag_second;        /* when register C was last read */
	uint64_t low_ram, high_ram; /* see struct cmos_config */
	struct vdev_clock clock;
};

struct cmos_config {
	int64_t epoch;     /* seconds since 1970 at guest time 0, UTC */
	uint64_t low_ram;  /* bytes of RAM from gpa 0 */
	uint64_t high_ram; /* bytes of RAM from 4 GiB */
};

void cmos_init(struct cmos *c, const struct vdev_clock *clock, const struct cmos_config *config);
/*
 * Resets what firmware sets when a PC starts, since a VM has no firmware: the sizes of memory and
 * the clock's format.  The clock and the rest of the RAM live on a battery and keep their values.
 */
void cmos_reset(struct cmos *c);
/* Puts the device on the bus; -1 if the ports are taken. */
int cmos_attach(struct cmos *c, struct vdev_bus *bus);

#endif
