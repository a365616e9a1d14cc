#ifndef NESTLING_LIB_VDEV_LAPIC_H
#define NESTLING_LIB_VDEV_LAPIC_H

#include "lib/vdev/vdev.h"

/*
 * The local APICs of a VM with several processors: xAPIC, at the same address for all of them
 * (SDM vol. 3, "Advanced Programmable Interrupt Controller").  The bus cannot tell which
 * processor makes an access: the caller says so with lapics_select() before.
 *
 * The model has fixed and lowest-priority interrupts, INIT and start-up IPIs, with physical, flat
 * and cluster destinations and all shorthands; the timer, one-shot and periodic; LINT0, which
 * takes the 8259's interrupts (ExtINT); and errors.  It has no x2APIC, no TSC-deadline mode, no NMI
 * and SMI (if they are sent, nothing happens), and no level-triggered interrupts, since there is
 * no I/O APIC.
 */

#define LAPIC_GPA 0xfee00000ull

enum {
	LAPIC_MAX = 8, /* processors of a VM */
	LAPIC_SIZE = 0x1000,
	/* Registers have 32 bits each.  Other accesses read 0, and write nothing. */
	LAPIC_ID = 0x020, /* read-only: the processor's index, in bits 31:24 */
	LAPIC_VERSION = 0x030,
	LAPIC_TPR = 0x080,
	LAPIC_PPR = 0x0a0,
	LAPIC_EOI = 0x0b0,
	LAPIC_LDR = 0x0d0,
	LAPIC_DFR = 0x0e0,
	LAPIC_SVR = 0x0f0,
	LAPIC_ISR = 0x100, /* 8 words, 16 bytes apart; so are the next two */
	LAPIC_TMR = 0x180,
	LAPIC_IRR = 0x200,
	LAPIC_ESR = 0x280,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_LVT_LINT0 = 0x350,
	LAPIC_LVT_LINT1 = 0x360,
	LAPIC_LVT_ERROR = 0x370,
	LAPIC_INITIAL = 0x380,
	LAPIC_CURRENT = 0x390,
	LAPIC_DIVIDE = 0x3e0,

	LAPIC_SVR_ENABLE = 1 << 8,
	LAPIC_MASKED = 1 << 16,         /* of an LVT entry */
	LAPIC_TIMER_PERIODIC = 1 << 17, /* of LVT_TIMER */
	LAPIC_EXTINT = 7 << 8,          /* of LVT_LINT0 */
	LAPIC_ESR_SEND = 1 << 5,        /* the guest tried to send an illegal vector, below 16 */
	LAPIC_ESR_RECEIVE = 1 << 6,     /* an illegal vector came */
	LAPIC_ESR_REGISTER = 1 << 7,    /* the guest accessed a register that does not exist */
	LAPIC_ICR_LOWEST = 1 << 8,
	LAPIC_ICR_INIT = 5 << 8,
	LAPIC_ICR_STARTUP = 6 << 8,
	LAPIC_ICR_LOGICAL = 1 << 11,
	LAPIC_ICR_ASSERT = 1 << 14,
	LAPIC_ICR_LEVEL = 1 << 15,
	LAPIC_ICR_SELF = 1 << 18,
	LAPIC_ICR_ALL = 2 << 18,
	LAPIC_ICR_OTHERS = 3 << 18,

	LAPIC_NS = 10, /* the timer's input clock: 100 MHz */
	/* A shorter period counts as this one, so that the monitor keeps up. */
	LAPIC_PERIOD_MIN_NS = 200000,
	LAPIC_LVTS = 4,
};

struct lapic {
	uint32_t tpr, ldr, dfr, svr;
	uint32_t esr, errors; /* what reads give; errors since the last write */
	uint32_t icr, icr_high;
	uint32_t lvt[LAPIC_LVTS]; /* timer, LINT0, LINT1, error */
	uint32_t irr[8], isr[8];
	uint32_t divide, initial;
	uint64_t due;  /* guest time at which the timer ends, in ns; VDEV_NEVER: it does not run */
	bool moved;    /* `due` may be sooner than lapic_tick() last said */
	bool waits;    /* INIT has come, and no start-up IPI since */
	bool init;     /* INIT has come, and no lapic_take_init() since */
	uint8_t start; /* vector of the start-up IPI that ended `waits` */
};

struct lapics {
	struct vdev_clock clock;
	/* Told that processor `line` should look at its APIC: for an interrupt, INIT or a start-up
	 * IPI. */
	struct vdev_irq event;
	unsigned int count, selected;
	struct lapic cpu[LAPIC_MAX];
};

/* Sets up the APICs of `count` processors, 1 to LAPIC_MAX.  `event` is called as set(arg,
 * processor, true); its `line` is not used. */
void lapics_init(struct lapics *s, unsigned int count, const struct vdev_clock *clock,
                 const struct vdev_irq *event);
/* Resets the APICs to what firmware leaves: processor 0's is on, with LINT0 as ExtINT, and the
 * other processors wait for a start-up IPI. */
void lapics_reset(struct lapics *s);
/* Puts the APICs on the bus; -1 if the addresses are taken. */
int lapics_attach(struct lapics *s, struct vdev_bus *bus);
/* Says that processor `index` makes the accesses that follow. */
static inline void
lapics_select(struct lapics *s, unsigned int index)
{
	s->selected = index;
}

/* Raises the timer's interrupt if it is due.  Returns the guest time in ns at which the next one is
 * due, or VDEV_NEVER. */
uint64_t lapic_tick(struct lapics *s, unsigned int index);
/* Returns whether an interrupt is pending whose priority lets it through. */
bool lapic_pending(const struct lapic *l);
/* Acknowledges that interrupt and returns its vector; without one, the spurious vector. */
uint8_t lapic_ack(struct lapic *l);
/* Returns whether LINT0 lets the 8259s' interrupts through. */
bool lapic_takes_extint(const struct lapic *l);
/* Returns whether INIT has come since the last call: then the caller has to reset the processor. */
bool lapic_take_init(struct lapic *l);

#endif
