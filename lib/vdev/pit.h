#ifndef NESTLING_LIB_VDEV_PIT_H
#define NESTLING_LIB_VDEV_PIT_H

#include "lib/vdev/vdev.h"

/*
 * The PC's 8254 interval timer, ports 40-43, and port 61, which gates channel
 * 2 and shows its output.  Channel 0 drives IRQ 0.  (Intel 8254 data sheet.)
 * One difference: a count that is written in modes 2 and 3 is used at once,
 * not from the next period on.
 */

enum {
	PIT_HZ = 1193182,
	PIT_CHANNELS = 3,
	PIT_IRQ = 0,
	/* Periodic interrupts of shorter counts come at this distance (200 us), so that the VM's
	 * monitor keeps up; the counter itself runs as programmed. */
	PIT_COUNT_MIN = 239,
};

/* Times are in periods of PIT_HZ. */
struct pit_channel {
	uint8_t mode;   /* 0 to 5 */
	uint8_t access; /* which bytes are read and written: 1 low, 2 high, 3 both */
	bool bcd;
	bool gate;
	bool loaded;     /* has a count; until then the output stands */
	bool running;    /* counts since `start`; else stands at `stopped` */
	uint32_t reload; /* 1 to 65536 */
	uint64_t start;
	uint64_t stopped;
	uint64_t edges; /* rising edges of the output since start, those already reported */

	/* Bytes in transit */
	bool write_high, read_high; /* the next byte is the high one */
	uint8_t low;                /* waits for the high byte */
	bool latched, status_latched;
	uint16_t latch;
	uint8_t status;
};

struct pit {
	struct pit_channel channel[PIT_CHANNELS];
	uint8_t port61; /* the writable bits */
	bool moved;     /* pit_tick() may have another answer than last time */
	struct vdev_clock clock;
	struct vdev_irq irq;
};

void pit_init(struct pit *p, const struct vdev_clock *clock, const struct vdev_irq *irq);
void pit_reset(struct pit *p);
/* -1 when the ports are taken. */
int pit_attach(struct pit *p, struct vdev_bus *bus);
/*
 * Raises IRQ 0 when it is due.  Returns the time in nanoseconds at which it
 * wants to be called next, VDEV_NEVER for none; when `moved` is set, call it at once.
 * Several periods that were missed give one interrupt.
 */
uint64_t pit_tick(struct pit *p);

#endif
