#ifndef NESTLING_LIB_VDEV_HPET_H
#define NESTLING_LIB_VDEV_HPET_H

#include "lib/vdev/vdev.h"

/*
 * The main counter of a high precision event timer: 64 bits, 100 MHz, in device memory (IA-PC HPET
 * specification, "Register Overview").  It has no interrupts, and its capabilities say so: there is
 * no legacy replacement routing.  The format cannot say that there is no timer: the one that it
 * shows has no route to an interrupt input, and its registers read 0 and ignore writes.
 */

#define HPET_GPA 0xfed00000ull

enum {
	HPET_SIZE = 0x400,
	HPET_PERIOD_NS = 10,
	/* Registers have 64 bits each, and are accessed as a whole or in aligned parts. */
	HPET_CAPABILITIES = 0x000,
	HPET_CONFIG = 0x010,
	HPET_COUNTER = 0x0f0,
	HPET_ENABLE = 1 << 0, /* of HPET_CONFIG: the counter runs */
};

struct hpet {
	struct vdev_clock clock;
	bool enabled;
	uint64_t counter; /* while it runs, less the counts since the clock began */
};

void hpet_init(struct hpet *h, const struct vdev_clock *clock);
/* Stops the counter and sets it to 0. */
void hpet_reset(struct hpet *h);
/* Puts the device on the bus; -1 if the addresses are taken. */
int hpet_attach(struct hpet *h, struct vdev_bus *bus);

#endif
