#ifndef NESTLING_LIB_VDEV_PIC_H
#define NESTLING_LIB_VDEV_PIC_H

#include "lib/vdev/vdev.h"

/*
 * The PC's pair of 8259A interrupt controllers, ports 20-21 and a0-a1 (Intel 8259A data sheet), and
 * their edge/level registers, ports 4d0-4d1.
 */

enum { PIC_LINES = 16, PIC_CASCADE = 2 };

struct pic_chip {
	struct pic_chip *slave; /* of the master: drives its input PIC_CASCADE */
	uint8_t lines;          /* level of the inputs */
	uint8_t irr;            /* requests; for level-triggered inputs the same as lines */
	uint8_t isr;            /* in service */
	uint8_t imr;            /* masked */
	uint8_t elcr;           /* level-triggered */
	uint8_t elcr_mask;      /* which bits of elcr can be set */
	uint8_t vector_base;    /* of input 0 */
	uint8_t lowest;         /* input with the lowest priority */
	uint8_t icw;            /* initialisation word expected next, 2 to 4; 0: initialised */
	bool single;            /* no ICW3 */
	bool want_icw4;
	bool auto_eoi, rotate_auto_eoi;
	bool nested; /* special fully nested mode */
	bool special_mask;
	bool read_isr; /* reads of port 0 give ISR, not IRR */
	bool poll;     /* the next read acknowledges an interrupt */
};

struct pic {
	struct pic_chip master, slave;
};

/* Sets up *p, which then holds addresses of itself and must not move. */
void pic_init(struct pic *p);
/* Resets the chips to what firmware leaves: vectors 08 and 70, every input masked. */
void pic_reset(struct pic *p);
/* Puts the chips on the bus; -1 if the ports are taken. */
int pic_attach(struct pic *p, struct vdev_bus *bus);

/*
 * Drives an input: 0 to 15, without the cascade.  As on the chip, a request that is withdrawn
 * before it is acknowledged is gone, also that of an edge-triggered input.
 */
void pic_irq(struct pic *p, unsigned int line, bool level);
/* Returns an output that drives this input, for a device. */
struct vdev_irq pic_line(struct pic *p, unsigned int line);

/* Both return whether the processor's INTR input is high. */
bool pic_requests(const struct pic *p);
static inline bool
pic_pending(const struct pic *p)
{
	/* The loop asks before every entry, and the answer is rarely yes. */
	return (p->master.irr | p->slave.irr) && pic_requests(p);
}
/* Does the interrupt acknowledge cycle; returns the vector.  If nothing is pending, that is IRQ 7's
 * (a spurious interrupt). */
uint8_t pic_ack(struct pic *p);

#endif
