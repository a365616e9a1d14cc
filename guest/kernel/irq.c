#include "guest/kernel/irq.h"

#include <stddef.h>

#include "guest/kernel/console.h"
#include "guest/kernel/trap.h"
#include "inc/x86.h"

/* The two 8259 interrupt controllers, and channel 0 of the 8254 timer. */

enum {
	PIC1 = 0x20,
	PIC2 = 0xa0,
	PIC_DATA = 1,
	ICW1_INIT = 0x11, /* edges, cascade, ICW4 follows */
	ICW4_8086 = 0x01,
	OCW2_EOI = 0x20,
	OCW3_READ_IRR = 0x0a,
	OCW3_READ_ISR = 0x0b,

	PIT_CHANNEL0 = 0x40,
	PIT_CONTROL = 0x43,
	PIT_RATE = 0x34,    /* channel 0, low then high byte, mode 2 */
	PIT_STOPPED = 0x30, /* mode 0: counts once, after a count is written */
	PIT_HZ = 1193182,
};

/* TSC ticks after which a silent timer counts as dead: a quarter second on the fastest CPU. */
#define TIMER_PATIENCE 1000000000ull

static uint16_t masked = 0xffff & ~(1 << IRQ_CASCADE);
static volatile uint64_t ticks;

static void
write_masks(void)
{
	outb(PIC1 + PIC_DATA, masked);
	outb(PIC2 + PIC_DATA, masked >> 8);
}

static void
pic_init(uint16_t pic, uint8_t vector, uint8_t cascade)
{
	outb(pic, ICW1_INIT);
	outb(pic + PIC_DATA, vector);
	outb(pic + PIC_DATA, cascade);
	outb(pic + PIC_DATA, ICW4_8086);
}

static void
count_tick(struct trapframe *tf)
{
	(void)tf;
	ticks++;
}

void
irq_init(void)
{
	pic_init(PIC1, T_IRQ, 1 << IRQ_CASCADE);
	pic_init(PIC2, T_IRQ + 8, IRQ_CASCADE);
	write_masks();
	outb(PIT_CONTROL, PIT_STOPPED);
	trap_set_hook(T_IRQ + IRQ_TIMER, count_tick);
}

void
irq_unmask(unsigned int irq)
{
	masked &= ~(1u << irq);
	write_masks();
}

void
irq_mask(unsigned int irq)
{
	masked |= 1u << irq;
	write_masks();
}

/* A real interrupt has its bit set in the in-service register; a spurious one does not. */
static bool
in_service(uint16_t pic, unsigned int line)
{
	outb(pic, OCW3_READ_ISR);
	return inb(pic) & 1 << line;
}

bool
irq_acknowledge(unsigned int irq)
{
	if (irq == IRQ_SPURIOUS && !in_service(PIC1, IRQ_SPURIOUS))
		return false;
	if (irq == IRQ_SPURIOUS2 && !in_service(PIC2, IRQ_SPURIOUS2 - 8)) {
		outb(PIC1, OCW2_EOI); /* the cascade's own interrupt was real */
		return false;
	}
	if (irq >= 8)
		outb(PIC2, OCW2_EOI);
	outb(PIC1, OCW2_EOI);
	return true;
}

uint8_t
irq_requested(void)
{
	outb(PIC1, OCW3_READ_IRR);
	return inb(PIC1);
}

uint64_t
timer_ticks(void)
{
	return ticks;
}

bool
timer_start(void)
{
	uint64_t start = rdtsc(), before = ticks;

	irq_unmask(IRQ_TIMER);
	outb(PIT_CONTROL, PIT_RATE);
	outb(PIT_CHANNEL0, (PIT_HZ / TIMER_HZ) & 0xff);
	outb(PIT_CHANNEL0, PIT_HZ / TIMER_HZ >> 8);
	while (ticks == before && rdtsc() - start < TIMER_PATIENCE)
		pause_cpu();
	if (ticks != before)
		return true;
	timer_stop();
	printf("guest: no timer interrupt (PIT channel 0, IRQ 0) within %llu ticks\n",
	       TIMER_PATIENCE);
	return false;
}

void
timer_one_shot(uint16_t count)
{
	outb(PIT_CONTROL, PIT_STOPPED);
	outb(PIT_CHANNEL0, count & 0xff);
	outb(PIT_CHANNEL0, count >> 8);
}

void
timer_stop(void)
{
	irq_mask(IRQ_TIMER);
	outb(PIT_CONTROL, PIT_STOPPED);
}
