#include "inc/memlayout.h"
#include "inc/x86.h"
#include "kern/dev/dev.h"

/* Intel 8259A, "Initialization Command Words" and "Operation Command Words". */
enum {
	PIC1 = 0x20, /* command port; data port is the next */
	PIC2 = 0xa0,
	IRQ_CASCADE = 2,
	PIC_LINES = 8,
	ICW1_INIT_ICW4 = 0x11,
	ICW4_8086 = 0x01,
	OCW2_EOI = 0x20,
	OCW3_READ_ISR = 0x0b,
};

static uint16_t mask = 0xffff & ~(1 << IRQ_CASCADE);

static void
write_mask(void)
{
	outb(PIC1 + 1, mask);
	outb(PIC2 + 1, mask >> 8);
}

void
pic_init(void)
{
	outb(PIC1, ICW1_INIT_ICW4);
	outb(PIC2, ICW1_INIT_ICW4);
	outb(PIC1 + 1, T_IRQ_BASE);
	outb(PIC2 + 1, T_IRQ_BASE + PIC_LINES);
	outb(PIC1 + 1, 1 << IRQ_CASCADE);
	outb(PIC2 + 1, IRQ_CASCADE);
	outb(PIC1 + 1, ICW4_8086);
	outb(PIC2 + 1, ICW4_8086);
	write_mask();
}

void
pic_unmask(unsigned int irq)
{
	mask &= ~(1u << irq);
	write_mask();
}

static uint8_t
in_service(uint16_t pic)
{
	outb(pic, OCW3_READ_ISR);
	return inb(pic);
}

bool
pic_ack(unsigned int irq)
{
	uint16_t pic = irq < PIC_LINES ? PIC1 : PIC2;
	bool real = in_service(pic) & (1 << irq % PIC_LINES);

	if (real)
		outb(pic, OCW2_EOI);
	/* The first PIC saw the cascade line, whether the second had a request or not. */
	if (pic == PIC2)
		outb(PIC1, OCW2_EOI);
	return real;
}
