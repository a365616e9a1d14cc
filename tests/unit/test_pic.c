// SOURCES: lib/vdev/bus.c lib/vdev/pic.c
#include <string.h>

#include "lib/vdev/pic.h"
#include "tests/unit/unit.h"

enum { MASTER = 0x20, SLAVE = 0xa0, ELCR = 0x4d0 };
enum { EOI = 0x20, READ_IRR = 0x0a, READ_ISR = 0x0b, POLL = 0x0c };

static struct fixture {
	struct vdev_bus bus;
	struct pic pic;
} f;

static void
out(uint16_t port, uint8_t value)
{
	out8(&f.bus, port, value);
}

static uint8_t
in(uint16_t port)
{
	return in8(&f.bus, port);
}

/* Initializes both chips as kernels do: vectors 20 to 2f, cascade on 2, 8086 mode.  icw4: further
 * modes. */
static void
driver_init(uint8_t icw4)
{
	out(MASTER, 0x11);
	out(SLAVE, 0x11);
	out(MASTER + 1, 0x20);
	out(SLAVE + 1, 0x28);
	out(MASTER + 1, 0x04);
	out(SLAVE + 1, 0x02);
	out(MASTER + 1, 0x01 | icw4);
	out(SLAVE + 1, 0x01 | icw4);
	out(MASTER + 1, 0);
	out(SLAVE + 1, 0);
}

static int
setup(void **state)
{
	(void)state;
	memset(&f, 0, sizeof(f));
	pic_init(&f.pic);
	assert_int_equal(pic_attach(&f.pic, &f.bus), 0);
	driver_init(0);
	return 0;
}

static void
raise(unsigned int line)
{
	pic_irq(&f.pic, line, true);
}

static void
lower(unsigned int line)
{
	pic_irq(&f.pic, line, false);
}

static void
pulse(unsigned int line)
{
	lower(line);
	raise(line);
}

static uint8_t
read_isr(uint16_t chip)
{
	out(chip, READ_ISR);
	return in(chip);
}

static uint8_t
read_irr(uint16_t chip)
{
	out(chip, READ_IRR);
	return in(chip);
}

static void
eoi(unsigned int line)
{
	if (line >= 8)
		out(SLAVE, EOI);
	out(MASTER, EOI);
}

static void
expect(int vector)
{
	assert_true(pic_pending(&f.pic));
	assert_int_equal(pic_ack(&f.pic), vector);
}

static void
test_reset(void **state)
{
	(void)state;
	pic_reset(&f.pic);
	assert_int_equal(in(MASTER + 1), 0xff);
	assert_int_equal(in(SLAVE + 1), 0xff);
	for (int line = 0; line < PIC_LINES; line++)
		raise(line);
	assert_false(pic_pending(&f.pic));
	out(MASTER + 1, 0xfd);
	expect(0x09); /* the vectors that a PC's firmware sets */
}

static void
test_every_line(void **state)
{
	(void)state;
	for (unsigned int line = 0; line < PIC_LINES; line++) {
		struct vdev_irq out_line = pic_line(&f.pic, line);

		if (line == PIC_CASCADE)
			continue;
		out_line.set(out_line.arg, out_line.line, true);
		expect(0x20 + line);
		assert_false(pic_pending(&f.pic));
		assert_int_equal(read_isr(MASTER), line < 8 ? 1 << line : 1 << PIC_CASCADE);
		assert_int_equal(read_isr(SLAVE), line < 8 ? 0 : 1 << (line - 8));
		eoi(line);
		assert_int_equal(read_isr(MASTER) | read_isr(SLAVE), 0);
		assert_false(pic_pending(&f.pic)); /* an edge counts once */
	}
}

/* Lines that do not exist. */
static void
test_bad_lines(void **state)
{
	(void)state;
	raise(PIC_CASCADE);
	raise(PIC_LINES);
	raise(UINT32_MAX);
	assert_false(pic_pending(&f.pic));
	assert_int_equal(read_irr(MASTER) | read_irr(SLAVE), 0);
}

static void
test_mask(void **state)
{
	(void)state;
	out(MASTER + 1, 0x10);
	assert_int_equal(in(MASTER + 1), 0x10);
	raise(4);
	assert_false(pic_pending(&f.pic));
	assert_int_equal(read_irr(MASTER), 0x10);
	out(MASTER + 1, 0);
	expect(0x24);
	eoi(4);
	/* The slave behind a masked cascade. */
	out(MASTER + 1, 1 << PIC_CASCADE);
	raise(14);
	assert_false(pic_pending(&f.pic));
	out(MASTER + 1, 0);
	expect(0x2e);
}

static void
test_priorities(void **state)
{
	(void)state;
	raise(4);
	raise(1);
	raise(14);
	expect(0x21);
	assert_false(pic_pending(&f.pic)); /* 1 is in service: 4 and 14 wait */
	raise(0);
	expect(0x20); /* but 0 has a higher priority */
	eoi(0);
	assert_false(pic_pending(&f.pic));
	eoi(1);
	expect(0x2e); /* the slave is at input 2, above 4 */
	raise(8);
	/* At the slave 8 has a higher priority than 14, but to the master both are input 2. */
	assert_false(pic_pending(&f.pic));
	eoi(14);
	expect(0x28);
	eoi(8);
	expect(0x24);
}

static void
test_special_fully_nested(void **state)
{
	(void)state;
	driver_init(0x10);
	raise(14);
	expect(0x2e);
	raise(8);
	expect(0x28);
	assert_int_equal(read_isr(SLAVE), 0x41);
	raise(15);
	assert_false(pic_pending(&f.pic));
}

/* A request that is withdrawn is gone.  An acknowledge that comes all the same gets IRQ 7. */
static void
test_spurious(void **state)
{
	(void)state;
	raise(4);
	lower(4);
	assert_false(pic_pending(&f.pic));
	assert_int_equal(pic_ack(&f.pic), 0x27);
	assert_int_equal(read_isr(MASTER), 0); /* nothing to end */
	raise(14);
	lower(14);
	assert_int_equal(pic_ack(&f.pic), 0x27);
	assert_int_equal(read_isr(MASTER) | read_isr(SLAVE), 0);
}

static void
test_edge(void **state)
{
	(void)state;
	raise(4);
	expect(0x24);
	raise(4); /* still high: no edge */
	eoi(4);
	assert_false(pic_pending(&f.pic));
	/* A new edge during service is remembered. */
	pulse(4);
	expect(0x24);
	pulse(4);
	assert_false(pic_pending(&f.pic));
	eoi(4);
	expect(0x24);
}

static void
test_level(void **state)
{
	(void)state;
	vdev_bus_write(&f.bus, ELCR, 2, 0xffff);
	/* The timer, the keyboard, the cascade, the clock and the coprocessor stay edge-triggered.
	 */
	assert_int_equal(in16(&f.bus, ELCR), 0xdef8);
	raise(11);
	expect(0x2b);
	eoi(11);
	expect(0x2b); /* still high */
	lower(11);
	eoi(11);
	assert_false(pic_pending(&f.pic));
	raise(5);
	lower(5);
	assert_false(pic_pending(&f.pic));
	/* A high line is a request as soon as it is level-triggered. */
	vdev_bus_write(&f.bus, ELCR, 2, 0);
	raise(6);
	expect(0x26);
	eoi(6);
	out(ELCR, 0x40);
	expect(0x26);
}

static void
test_specific_eoi(void **state)
{
	(void)state;
	raise(4);
	expect(0x24);
	raise(1);
	expect(0x21);
	out(MASTER, 0x64); /* ends 4, which is not the highest */
	assert_int_equal(read_isr(MASTER), 0x02);
	out(MASTER, EOI);
	assert_int_equal(read_isr(MASTER), 0);
	out(MASTER, EOI);  /* nothing in service: nothing happens */
	out(MASTER, 0x40); /* no operation */
	assert_int_equal(read_isr(MASTER), 0);
}

static void
test_auto_eoi(void **state)
{
	(void)state;
	driver_init(0x02);
	raise(4);
	expect(0x24);
	assert_int_equal(read_isr(MASTER), 0);
	pulse(4);
	expect(0x24);
	raise(14);
	expect(0x2e);
	assert_int_equal(read_isr(MASTER) | read_isr(SLAVE), 0);
}

static void
test_rotation(void **state)
{
	(void)state;
	raise(3);
	raise(4);
	expect(0x23);
	out(MASTER, 0xa0); /* end and rotate: 3 is now the lowest */
	pulse(3);
	expect(0x24);
	out(MASTER, 0xe4); /* the same, for a named interrupt */
	expect(0x23);
	eoi(3);
	out(MASTER, 0xc0); /* 0 becomes the lowest, so 1 is the highest */
	raise(0);
	raise(1);
	expect(0x21);
	eoi(1);
	expect(0x20);
}

static void
test_rotation_with_auto_eoi(void **state)
{
	(void)state;
	driver_init(0x02);
	out(MASTER, 0x80);
	raise(0);
	raise(1);
	expect(0x20);
	pulse(0);
	expect(0x21); /* 0 went to the end of the queue */
	expect(0x20);
	out(MASTER, 0x00);
	pulse(1);
	expect(0x21);
	pulse(1);
	pulse(0);
	expect(0x21); /* no longer rotating: 0 is still the lowest */
}

static void
test_special_mask(void **state)
{
	(void)state;
	raise(1);
	expect(0x21);
	raise(4);
	assert_false(pic_pending(&f.pic));
	out(MASTER + 1, 0x02);
	out(MASTER, 0x68); /* set special mask mode */
	expect(0x24);
	out(MASTER, EOI); /* ends 4: 1 is masked */
	assert_int_equal(read_isr(MASTER), 0x02);
	out(MASTER, 0x48); /* reset special mask mode */
	pulse(4);
	assert_false(pic_pending(&f.pic));
}

static void
test_poll(void **state)
{
	(void)state;
	out(MASTER, POLL);
	assert_int_equal(in(MASTER), 0);
	raise(4);
	out(MASTER, POLL);
	assert_int_equal(in(MASTER), 0x84);
	assert_int_equal(read_isr(MASTER), 0x10);
	assert_false(pic_pending(&f.pic));
	eoi(4);
	raise(14);
	out(MASTER, POLL);
	assert_int_equal(in(MASTER + 1), 0x80 | PIC_CASCADE); /* either port */
	out(SLAVE, POLL);
	assert_int_equal(in(SLAVE), 0x86);
	assert_int_equal(read_isr(SLAVE), 0x40);
	assert_int_equal(in(SLAVE + 1), 0); /* one poll only: this is IMR */
}

/* An initialization that breaks off, or has no ICW3 or ICW4. */
static void
test_initialisation(void **state)
{
	(void)state;
	raise(4);
	out(MASTER, 0x11);
	pulse(4);
	assert_false(pic_pending(&f.pic)); /* not during the initialization */
	out(MASTER, 0x11);                 /* begins again */
	out(MASTER + 1, 0x47);
	out(MASTER + 1, 0x04);
	out(MASTER + 1, 0x01);
	assert_false(pic_pending(&f.pic)); /* earlier edges are forgotten */
	pulse(4);
	expect(0x44);      /* bits 2:0 of the vector are the input's */
	out(MASTER, 0x12); /* single, without ICW4 */
	out(MASTER + 1, 0x80);
	out(MASTER + 1, 0xfe); /* this is already the mask */
	assert_int_equal(in(MASTER + 1), 0xfe);
	pulse(0);
	expect(0x80);
	out(MASTER, 0x10); /* cascaded, without ICW4 */
	out(MASTER + 1, 0x50);
	out(MASTER + 1, 0x04);
	out(MASTER + 1, 0xfd);
	pulse(1);
	expect(0x51);
}

#define T(name) cmocka_unit_test_setup(name, setup)
UNIT_MAIN(T(test_reset), T(test_every_line), T(test_bad_lines), T(test_mask), T(test_priorities),
          T(test_special_fully_nested), T(test_spurious), T(test_edge), T(test_level),
          T(test_specific_eoi), T(test_auto_eoi), T(test_rotation), T(test_rotation_with_auto_eoi),
          T(test_special_mask), T(test_poll), T(test_initialisation))
