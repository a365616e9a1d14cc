#include "lib/vdev/pic.h"

/* Initialisation and operation command words (8259A data sheet). */
enum {
	ICW1 = 0x10, /* written to port 0; bit 4 tells it from OCW2 and OCW3 */
	ICW1_IC4 = 0x01,
	ICW1_SINGLE = 0x02,
	ICW2_VECTOR = 0xf8,
	ICW4_AUTO_EOI = 0x02,
	ICW4_NESTED = 0x10,
	OCW2_EOI = 0x20,
	OCW2_SPECIFIC = 0x40,
	OCW2_ROTATE = 0x80,
	OCW2_LEVEL = 0x07,
	OCW3 = 0x08, /* bit 3 tells it from OCW2 */
	OCW3_READ_ISR = 0x01,
	OCW3_READ = 0x02,
	OCW3_POLL = 0x04,
	OCW3_SPECIAL_MASK = 0x20,
	OCW3_SET_SPECIAL_MASK = 0x40,
	POLL_PENDING = 0x80,
};

enum {
	INPUTS = 8,
	LOWEST = INPUTS - 1,
	CASCADE_BIT = 1 << PIC_CASCADE,
	MASTER_ELCR_MASK = 0xf8, /* IRQ 0 to 2 and 8 and 13 are always edge-triggered */
	SLAVE_ELCR_MASK = 0xde,
};

/* Returns the input of the highest priority among `bits`, or INPUTS if no bit is set. */
static unsigned int
highest(const struct pic_chip *c, uint8_t bits)
{
	unsigned int first = (c->lowest + 1) % INPUTS;
	unsigned int turned = bits >> first | bits << (INPUTS - first);

	return bits ? (first + __builtin_ctz(turned)) % INPUTS : INPUTS;
}

/* Returns the rank of an input: 0 is the highest.  INPUTS, which stands for no input, is the
 * lowest. */
static unsigned int
priority(const struct pic_chip *c, unsigned int input)
{
	return input == INPUTS ? INPUTS : (input - c->lowest - 1) % INPUTS;
}

static uint8_t requests(const struct pic_chip *c);

/* Returns the input whose request the chip passes on, or INPUTS if there is none. */
static unsigned int
requested(const struct pic_chip *c)
{
	uint8_t blocking = c->isr;
	unsigned int input;

	if (c->icw)
		return INPUTS;
	input = highest(c, requests(c) & ~c->imr);
	/* In special mask mode, a masked input that is in service does not block others. */
	if (c->special_mask)
		blocking &= ~c->imr;
	/* In special fully nested mode, the slave in service does not block the slave. */
	if (c->nested && input == PIC_CASCADE)
		blocking &= ~CASCADE_BIT;
	return priority(c, input) < priority(c, highest(c, blocking)) ? input : INPUTS;
}

/* Returns IRR as the guest sees it: the slave's output is the master's cascade input. */
static uint8_t
requests(const struct pic_chip *c)
{
	bool slave = c->slave && requested(c->slave) != INPUTS;

	return c->irr | (slave ? CASCADE_BIT : 0);
}

/* Acknowledges the request of an input, which goes into service. */
static void
acknowledge(struct pic_chip *c, unsigned int input)
{
	uint8_t bit = 1 << input;

	if (!(c->elcr & bit))
		c->irr &= ~bit;
	if (!c->auto_eoi)
		c->isr |= bit;
	else if (c->rotate_auto_eoi)
		c->lowest = input;
}

void
pic_irq(struct pic *p, unsigned int line, bool level)
{
	struct pic_chip *c = line < INPUTS ? &p->master : &p->slave;
	uint8_t bit = 1 << line % INPUTS;

	if (line >= PIC_LINES || line == PIC_CASCADE)
		return;
	if (!level) {
		c->lines &= ~bit;
		c->irr &= ~bit;
		return;
	}
	if ((c->elcr & bit) || !(c->lines & bit))
		c->irr |= bit;
	c->lines |= bit;
}

static void
set_line(void *arg, unsigned int line, bool level)
{
	pic_irq(arg, line, level);
}

struct vdev_irq
pic_line(struct pic *p, unsigned int line)
{
	return (struct vdev_irq){.set = set_line, .arg = p, .line = line};
}

bool
pic_requests(const struct pic *p)
{
	return requested(&p->master) != INPUTS;
}

uint8_t
pic_ack(struct pic *p)
{
	unsigned int input = requested(&p->master);
	struct pic_chip *c = &p->master;

	/* The request is gone: the chip answers with its lowest input, which does not go into
	 * service. */
	if (input == INPUTS)
		return c->vector_base + LOWEST;
	acknowledge(c, input);
	if (input == PIC_CASCADE) {
		c = &p->slave;
		input = requested(c);
		acknowledge(c, input);
	}
	return c->vector_base + input;
}

static uint32_t
read_poll(struct pic_chip *c)
{
	unsigned int input = requested(c);

	c->poll = false;
	if (input == INPUTS)
		return 0;
	acknowledge(c, input);
	return POLL_PENDING | input;
}

static uint64_t
chip_read(void *state, uint64_t port, unsigned int size)
{
	struct pic_chip *c = state;

	(void)size;
	if (c->poll)
		return read_poll(c);
	if (port == 1)
		return c->imr;
	return c->read_isr ? c->isr : requests(c);
}

static void
write_icw1(struct pic_chip *c, uint8_t value)
{
	/* This clears the edge detectors: an input has to rise again to be seen. */
	*c = (struct pic_chip){
	        .slave = c->slave,
	        .lines = c->lines,
	        .irr = c->lines & c->elcr,
	        .elcr = c->elcr,
	        .elcr_mask = c->elcr_mask,
	        .vector_base = c->vector_base,
	        .lowest = LOWEST,
	        .icw = 2,
	        .single = value & ICW1_SINGLE,
	        .want_icw4 = value & ICW1_IC4,
	};
}

static void
write_ocw2(struct pic_chip *c, uint8_t value)
{
	unsigned int input = value & OCW2_LEVEL;
	uint8_t in_service = c->special_mask ? c->isr & ~c->imr : c->isr;

	switch (value & (OCW2_ROTATE | OCW2_SPECIFIC | OCW2_EOI)) {
	case 0:
	case OCW2_ROTATE:
		c->rotate_auto_eoi = value & OCW2_ROTATE;
		return;
	case OCW2_SPECIFIC: /* no operation */
		return;
	case OCW2_ROTATE | OCW2_SPECIFIC: /* set priority */
		c->lowest = input;
		return;
	}
	/* An EOI ends the input that it names, or else the highest one in service. */
	if (!(value & OCW2_SPECIFIC))
		input = highest(c, in_service);
	if (input == INPUTS)
		return;
	c->isr &= ~(1 << input);
	if (value & OCW2_ROTATE)
		c->lowest = input;
}

static void
write_ocw3(struct pic_chip *c, uint8_t value)
{
	if (value & OCW3_SET_SPECIAL_MASK)
		c->special_mask = value & OCW3_SPECIAL_MASK;
	if (value & OCW3_POLL)
		c->poll = true;
	else if (value & OCW3_READ)
		c->read_isr = value & OCW3_READ_ISR;
}

static void
write_icw(struct pic_chip *c, uint8_t value)
{
	switch (c->icw) {
	case 2:
		c->vector_base = value & ICW2_VECTOR;
		c->icw = c->single ? 4 : 3;
		break;
	case 3: /* ICW3 describes the cascade, which is fixed here */
		c->icw = 4;
		break;
	case 4:
		c->auto_eoi = value & ICW4_AUTO_EOI;
		c->nested = value & ICW4_NESTED;
		c->icw = 0;
		return;
	}
	if (c->icw == 4 && !c->want_icw4)
		c->icw = 0;
}

static void
chip_write(void *state, uint64_t port, unsigned int size, uint64_t value)
{
	struct pic_chip *c = state;

	(void)size;
	if (port == 1 && c->icw)
		write_icw(c, value);
	else if (port == 1)
		c->imr = value;
	else if (value & ICW1)
		write_icw1(c, value);
	else if (value & OCW3)
		write_ocw3(c, value);
	else
		write_ocw2(c, value);
}

static uint64_t
elcr_read(void *state, uint64_t port, unsigned int size)
{
	struct pic *p = state;

	(void)size;
	return port == 0 ? p->master.elcr : p->slave.elcr;
}

static void
elcr_write(void *state, uint64_t port, unsigned int size, uint64_t value)
{
	struct pic *p = state;
	struct pic_chip *c = port == 0 ? &p->master : &p->slave;

	(void)size;
	c->elcr = value & c->elcr_mask;
	c->irr |= c->lines & c->elcr;
}

static void
reset_chip(struct pic_chip *c, uint8_t vector_base, uint8_t elcr_mask)
{
	*c = (struct pic_chip){
	        .slave = c->slave,
	        .lines = c->lines,
	        .imr = 0xff,
	        .elcr_mask = elcr_mask,
	        .vector_base = vector_base,
	        .lowest = LOWEST,
	};
}

void
pic_init(struct pic *p)
{
	*p = (struct pic){.master.slave = &p->slave};
	pic_reset(p);
}

void
pic_reset(struct pic *p)
{
	reset_chip(&p->master, 0x08, MASTER_ELCR_MASK);
	reset_chip(&p->slave, 0x70, SLAVE_ELCR_MASK);
}

int
pic_attach(struct pic *p, struct vdev_bus *bus)
{
	struct vdev chip = {.len = 2, .bytes = true, .read = chip_read, .write = chip_write};
	struct vdev elcr = {.len = 2, .bytes = true, .read = elcr_read, .write = elcr_write};

	chip.name = "pic0";
	chip.base = 0x20;
	chip.state = &p->master;
	if (vdev_bus_add(bus, &chip))
		return -1;
	chip.name = "pic1";
	chip.base = 0xa0;
	chip.state = &p->slave;
	if (vdev_bus_add(bus, &chip))
		return -1;
	elcr.name = "elcr";
	elcr.base = 0x4d0;
	elcr.state = p;
	return vdev_bus_add(bus, &elcr);
}
