#ifndef NESTLING_LIB_VDEV_PIT_H
#define NESTLING_LIB_VDEV_PIT_H

#include "lib/vdev/vdev.h"

/*
 * The PC's 8254 interval timer, ports 40-43, and port 61, which gates channel
 * 2 and shows its output.  Channel 0 drives IRQ 0.  (Intel 8254 data sheet.)
 */

enum { PIT_HZ = 1193182, PIT_CHANNELS = 3 };

struct pit_channel {
	uint8_t mode;   /* 0 to 5 */
	uint8_t access; /* PIT_LOW, PIT_HIGH or both, as in the control word */
	bool bcd;
	bool gate;
	bool loaded;                /* has a count since its control word */
	bool running;               /* counts since `start`; else stands at `stopped` */
	bool triggered;             /* modes 1 and 5: has seen a trigger */
	bool write_high, read_high; /* the next byte is the high one */
	uint8_t low;                /* byte that waits for the high one */
	uint8_t latched;            /* bytes of latch still to be read */
	bool status_latched;
	uint8_t status;
	uint16_t latch;
	uint32_t reload;  /* 1 to 65536 */
	uint64_t start;   /* time of loading, in periods of PIT_HZ */
	uint64_t stopped; /* periods counted when the gate closed */
	uint64_t edges;   /* rising edges already reported */
};

struct pit {
	struct pit_channel channel[PIT_CHANNELS];
	uint8_t port61; /* the writable bits */
	struct vdev_clock clock;
	struct vdev_irq irq;
};

void pit_init(struct pit *p, const struct vdev_clock *clock, const struct vdev_irq *irq);
void pit_reset(struct pit *p);
/* -1 when the ports are taken. */
int pit_attach(struct pit *p, struct vdev_bus *bus);
/*
 * Raises IRQ 0 when it is due.  Returns the time in nanoseconds at which it
 * wants to be called next, VDEV_NEVER for none; any access may change that.
 * Periods that were missed are not made up for.
 */
uint64_t pit_tick(struct pit *p);

#endif
