#ifndef NESTLING_LIB_VDEV_CMOS_H
#define NESTLING_LIB_VDEV_CMOS_H

#include "lib/vdev/vdev.h"

/*
 * The PC's MC146818 clock and its battery-backed RAM, ports 70-71.  No
 * interrupts.  An update is never in progress (register A's bit 7 is clear).
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
 * The clock and the RAM live on a battery.  But what firmware sets when a PC starts is as in the
 * beginning, since a VM has none: how much RAM there is, and the clock's format.
 */
void cmos_reset(struct cmos *c);
/* -1 when the ports are taken. */
int cmos_attach(struct cmos *c, struct vdev_bus *bus);

#endif
