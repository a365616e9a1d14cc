#ifndef NESTLING_LIB_VDEV_PIT_H
#define NESTLING_LIB_VDEV_PIT_H

#include "lib/vdev/vdev.h"

/*
 * The PC's 8254 interval timer, ports 40-43 (Intel 8254 data sheet), and port 61, which gates
 * channel 2 and shows its output.  Channel 0 drives IRQ 0.  The model differs in one thing: in
 * modes 2 and 3 it uses a new count at once, not from the next period on.
 */

enum {
	PIT_HZ = 1193182,
	PIT_CHANNELS = 3,
	PIT_IRQ = 0,
	/* With a shorter count, periodic interrupts come only as often as with this one (200 us),
	 * so that the monitor keeps up; the counter itself runs as programmed. */
	PIT_COUNT_MIN = 239,
};

/* Times are in periods of PIT_HZ. */
struct pit_channel {
	uint8_t mode;   /* 0 to 5 */
	uint8_t access; /* which bytes are read and written: 1 low, 2 high, 3 both */
	bool bcd;
	bool gate;
	bool loaded;     /* has a count; without one the output does not change */
	bool running;    /* counts since `start`; if not, it stands at `stopped` */
	uint32_t reload; /* 1 to 65536 */
	uint64_t start;
	uint64_t stopped;
	uint64_t edges; /* of the output since start, as far as they are reported */

	/* Counts that are written and read byte by byte. */
	bool write_high, read_high; /* the next byte is the high one */
	uint8_t low;                /* waits for the high byte */
	bool latched, status_latched;
	uint16_t latch;
	uint8_t status;
};

struct pit {
	struct pit_channel channel[PIT_CHANNELS];
	uint8_t port61; /* the writable bits */
	bool moved;     /* pit_tick() may return another time than it last did */
	struct vdev_clock clock;
	struct vdev_irq irq;
};

void pit_init(struct pit *p, const struct vdev_clock *clock, const struct vdev_irq *irq);
void pit_reset(struct pit *p);
/* Puts the device on the bus; -1 if the ports are taken. */
int pit_attach(struct pit *p, struct vdev_bus *bus);
/*
 * Raises IRQ 0 if it is due: once, however many periods were missed.  Returns the guest time in ns
 * at which to call it next, or VDEV_NEVER; if `moved` gets set before that, call it at once.
 */
uint64_t pit_tick(struct pit *p);

#endif
