#ifndef NESTLING_LIB_VDEV_LAPIC_H
#define NESTLING_LIB_VDEV_LAPIC_H

#include "lib/vdev/vdev.h"

/*
 * The local APICs of a VM with several processors: xAPIC, at the same address for all of them
 * (SDM vol. 3, "Advanced Programmable Interrupt Controller").  The bus cannot tell who accesses
 * it, so lapics_select() says so before.
 *
 * What there is: fixed and lowest-priority interrupts, INIT and start-up IPIs, with physical, flat
 * and cluster destinations and all shorthands; the timer, one-shot and periodic; LINT0, which
 * takes the 8259's interrupts (ExtINT); errors.  What there is not: x2APIC, TSC-deadline, NMI and
 * SMI (sent, they go nowhere), level-triggered interrupts, since there is no I/O APIC.
 */

#define LAPIC_GPA 0xfee00000ull

enum {
	LAPIC_MAX = 8, /* of a VM */
	LAPIC_SIZE = 0x1000,
	/* Registers, 32 bits each; other accesses read 0 and are ignored. */
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
	LAPIC_ESR_SEND = 1 << 5,        /* an illegal vector, below 16, was to be sent; */
	LAPIC_ESR_RECEIVE = 1 << 6,     /* came */
	LAPIC_ESR_REGISTER = 1 << 7,    /* a register that there is not */
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
	/* A periodic timer is not faster, so that its VM's monitor keeps up. */
	LAPIC_PERIOD_MIN_NS = 200000,
	LAPIC_LVTS = 4,
};

struct lapic {
	uint32_t tpr, ldr, dfr, svr;
	uint32_t esr, errors; /* as read; as gathered since the last write */
	uint32_t icr, icr_high;
	uint32_t lvt[LAPIC_LVTS]; /* timer, LINT0, LINT1, error */
	uint32_t irr[8], isr[8];
	uint32_t divide, initial;
	uint64_t due;  /* guest time of the timer's end; VDEV_NEVER: it does not run */
	bool moved;    /* due may be sooner than lapic_tick() has said */
	bool waits;    /* after INIT, for a start-up IPI */
	bool init;     /* INIT has come and has not been taken */
	uint8_t start; /* the start-up IPI's vector, when waits has ended */
};

struct lapics {
	struct vdev_clock clock;
	/* Processor `line` has something to look at: an interrupt, INIT, a start-up IPI. */
	struct vdev_irq event;
	unsigned int count, selected;
	struct lapic cpu[LAPIC_MAX];
};

/* count: of processors, 1 to LAPIC_MAX.  Of event only set() and arg are used; level is true. */
void lapics_init(struct lapics *s, unsigned int count, const struct vdev_clock *clock,
                 const struct vdev_irq *event);
/* As firmware leaves them: processor 0 has its APIC on and LINT0 as ExtINT; the others wait for a
 * start-up IPI. */
void lapics_reset(struct lapics *s);
/* -1 when the addresses are taken. */
int lapics_attach(struct lapics *s, struct vdev_bus *bus);
/* The accesses that follow are processor index's. */
static inline void
lapics_select(struct lapics *s, unsigned int index)
{
	s->selected = index;
}

/* The timer's interrupt, if its time has come; the guest time of the next, or VDEV_NEVER. */
uint64_t lapic_tick(struct lapics *s, unsigned int index);
/* Is there an interrupt that its priority lets through? */
bool lapic_pending(const struct lapic *l);
/* Acknowledges it: its vector, or the spurious one when there is none. */
uint8_t lapic_ack(struct lapic *l);
/* Does LINT0 let the 8259's interrupts through? */
bool lapic_takes_extint(const struct lapic *l);
/* INIT has come since the last call: the processor has to be reset, and wait. */
bool lapic_take_init(struct lapic *l);

#endif
