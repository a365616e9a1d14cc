// SOURCES: lib/vdev/bus.c lib/vdev/uart.c
#include <string.h>

#include "inc/uart.h"
#include "lib/vdev/uart.h"
#include "tests/unit/unit.h"

enum { COM1 = UART_COM1 };

struct fixture {
	struct vdev_bus bus;
	struct uart uart;
	struct line line;
	uint8_t sent[64];
	size_t sent_count;
	unsigned int runs;
};

static void
tx(void *arg, uint8_t byte)
{
	struct fixture *f = arg;

	f->sent[f->sent_count++ % sizeof(f->sent)] = byte;
}

static void
tx_bytes(void *arg, const uint8_t *bytes, size_t count)
{
	struct fixture *f = arg;

	f->runs++;
	for (size_t i = 0; i < count; i++)
		tx(arg, bytes[i]);
}

static struct fixture f;

static int
setup(void **state)
{
	struct uart_output out = {.tx = tx, .tx_bytes = tx_bytes, .arg = &f};
	struct vdev_irq irq = line_irq(&f.line);

	(void)state;
	memset(&f, 0, sizeof(f));
	uart_init(&f.uart, &out, &irq);
	assert_int_equal(uart_attach(&f.uart, &f.bus, COM1), 0);
	return 0;
}

static void
out(int reg, uint8_t value)
{
	out8(&f.bus, COM1 + reg, value);
}

static uint8_t
in(int reg)
{
	return in8(&f.bus, COM1 + reg);
}

/* Sets the chip up as a driver does: speed, 8N1, FIFOs, interrupts. */
static void
driver_init(uint8_t ier)
{
	out(UART_IER, 0);
	out(UART_LCR, UART_LCR_DLAB);
	out(UART_DLL, 1);
	out(UART_DLM, 0);
	out(UART_LCR, UART_LCR_WLEN8);
	out(UART_FCR,
	    UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_CLEAR_XMIT | UART_FCR_TRIGGER_14);
	out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	out(UART_IER, ier);
}

static void
feed(const char *s)
{
	for (; *s; s++)
		uart_rx(&f.uart, *s);
}

static void
test_reset_state(void **state)
{
	(void)state;
	assert_int_equal(in(UART_IER), 0);
	assert_int_equal(in(UART_IIR), UART_IIR_NO_INT);
	assert_int_equal(in(UART_LSR), UART_LSR_THRE | UART_LSR_TEMT);
	assert_int_equal(in(UART_MSR), UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
	assert_false(f.line.level);
}

static void
test_registers(void **state)
{
	(void)state;
	out(UART_SCR, 0x5a);
	assert_int_equal(in(UART_SCR), 0x5a);
	out(UART_IER, 0xff);
	assert_int_equal(in(UART_IER), 0x0f);
	out(UART_MCR, 0xff);
	assert_int_equal(in(UART_MCR), 0x1f);
	out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	vdev_bus_write(&f.bus, COM1, 2, 0x0203); /* both bytes of the divisor at once */
	assert_int_equal(in(UART_DLL), 0x03);
	assert_int_equal(in(UART_DLM), 0x02);
	out(UART_LCR, UART_LCR_WLEN8);
	assert_int_equal(in(UART_IER), 0x0f);
	assert_int_equal(f.sent_count, 0);
	uart_reset(&f.uart);
	assert_int_equal(in(UART_SCR), 0);
}

/* Drivers tell a 16550A from older chips so. */
static void
test_fifo_detection(void **state)
{
	(void)state;
	assert_int_equal(in(UART_IIR)&0xc0, 0);
	out(UART_FCR, UART_FCR_ENABLE_FIFO);
	assert_int_equal(in(UART_IIR)&0xc0, 0xc0);
	out(UART_FCR, 0);
	assert_int_equal(in(UART_IIR)&0xc0, 0);
}

static void
test_transmit(void **state)
{
	(void)state;
	driver_init(0);
	for (const char *s = "hello"; *s; s++) {
		assert_true(in(UART_LSR)&UART_LSR_THRE);
		out(UART_TX, *s);
	}
	assert_int_equal(f.sent_count, 5);
	assert_memory_equal(f.sent, "hello", 5);
}

static void
test_transmit_run(void **state)
{
	(void)state;
	vdev_bus_write_string(&f.bus, COM1, 1, "a whole run", 11);
	assert_int_equal(f.runs, 1);
	assert_memory_equal(f.sent, "a whole run", 11);
	/* String output to the divisor, to other registers, or in words goes byte by byte. */
	out(UART_LCR, UART_LCR_DLAB);
	vdev_bus_write_string(&f.bus, COM1, 1, "xy", 2);
	assert_int_equal(in(UART_DLL), 'y');
	vdev_bus_write_string(&f.bus, COM1 + UART_SCR, 1, "xy", 2);
	assert_int_equal(in(UART_SCR), 'y');
	assert_int_equal(f.runs, 1);
	assert_int_equal(f.sent_count, 11);
}

static void
test_no_run_call_back(void **state)
{
	(void)state;
	f.uart.out.tx_bytes = NULL;
	vdev_bus_write_string(&f.bus, COM1, 1, "run", 3);
	assert_int_equal(f.runs, 0);
	assert_memory_equal(f.sent, "run", 3);
}

static void
test_receive(void **state)
{
	(void)state;
	driver_init(0);
	assert_int_equal(uart_rx_space(&f.uart), UART_FIFO);
	feed("abc");
	assert_int_equal(uart_rx_space(&f.uart), UART_FIFO - 3);
	assert_true(in(UART_LSR)&UART_LSR_DR);
	assert_int_equal(in(UART_RX), 'a');
	assert_int_equal(in(UART_RX), 'b');
	assert_int_equal(in(UART_RX), 'c');
	assert_false(in(UART_LSR)&UART_LSR_DR);
	in(UART_RX); /* without input nothing happens */
	assert_int_equal(uart_rx_space(&f.uart), UART_FIFO);
}

/* The ring buffer wraps. */
static void
test_receive_order(void **state)
{
	(void)state;
	driver_init(0);
	for (int i = 0; i < 100; i++) {
		uart_rx(&f.uart, i);
		uart_rx(&f.uart, i + 1);
		assert_int_equal(in(UART_RX), i);
		assert_int_equal(in(UART_RX), i + 1);
	}
}

static void
test_overrun(void **state)
{
	(void)state;
	driver_init(UART_IER_RLSI);
	feed("0123456789abcdef");
	assert_int_equal(uart_rx_space(&f.uart), 0);
	assert_false(f.line.level);
	feed("X");
	assert_true(f.line.level);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RLSI);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, UART_LSR_OE);
	assert_int_equal(in(UART_LSR)&UART_LSR_OE, 0); /* reading it clears it */
	assert_false(f.line.level);
	for (const char *s = "0123456789abcdef"; *s; s++)
		assert_int_equal(in(UART_RX), *s);
	assert_false(in(UART_LSR)&UART_LSR_DR);
}

static void
test_without_fifo(void **state)
{
	(void)state;
	assert_int_equal(uart_rx_space(&f.uart), 1);
	feed("ab");
	assert_int_equal(in(UART_LSR) & (UART_LSR_DR | UART_LSR_OE), UART_LSR_DR | UART_LSR_OE);
	assert_int_equal(in(UART_RX), 'a');
}

static void
test_receive_interrupt(void **state)
{
	(void)state;
	driver_init(UART_IER_RDI);
	feed("a");
	assert_true(f.line.level);
	/* Below the trigger level of 14 a timeout makes the interrupt. */
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RX_TIMEOUT);
	feed("123456789abcd");
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RDI);
	assert_true(f.line.level);
	for (int i = 0; i < 14; i++)
		in(UART_RX);
	assert_false(f.line.level);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_NO_INT);
}

static void
test_transmit_interrupt(void **state)
{
	(void)state;
	driver_init(0);
	out(UART_IER, UART_IER_THRI); /* the transmitter is empty: an interrupt at once */
	assert_true(f.line.level);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_THRI); /* which acknowledges it */
	assert_false(f.line.level);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_NO_INT);
	out(UART_TX, 'a');
	assert_true(f.line.level);
	/* A handler that writes without reading IIR needs a new edge, too. */
	unsigned int rises = f.line.rises;
	out(UART_TX, 'b');
	assert_int_equal(f.line.rises, rises + 1);
	out(UART_IER, 0);
	assert_false(f.line.level);
	/* To enable the interrupt once more raises it once more; to write the same value does not.
	 */
	out(UART_IER, UART_IER_THRI);
	in(UART_IIR);
	out(UART_IER, UART_IER_THRI);
	assert_false(f.line.level);
}

static void
test_interrupt_priority(void **state)
{
	(void)state;
	driver_init(0);
	out(UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP);
	in(UART_MSR);
	out(UART_MCR, UART_MCR_OUT2 | UART_MCR_LOOP | UART_MCR_RTS); /* modem status */
	out(UART_MCR, UART_MCR_OUT2);
	feed("0123456789abcdefX"); /* data and overrun */
	out(UART_IER, 0x0f);       /* transmitter */
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RLSI);
	in(UART_LSR);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RDI);
	for (int i = 0; i < 16; i++)
		in(UART_RX);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_THRI);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_MSI);
	in(UART_MSR);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_NO_INT);
	assert_false(f.line.level);
}

/* OUT2 is the gate between the chip and the PC's interrupt line. */
static void
test_out2(void **state)
{
	(void)state;
	driver_init(UART_IER_RDI);
	out(UART_MCR, 0);
	feed("a");
	assert_false(f.line.level);
	assert_int_equal(in(UART_IIR)&0x0f, UART_IIR_RX_TIMEOUT);
	out(UART_MCR, UART_MCR_OUT2);
	assert_true(f.line.level);
}

/* Drivers test for a chip so. */
static void
test_loopback(void **state)
{
	(void)state;
	driver_init(0);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT2 | UART_MCR_RTS);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_CTS);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_OUT1 | UART_MCR_DTR);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_RI | UART_MSR_DSR);
	out(UART_TX, 0xae);
	assert_int_equal(f.sent_count, 0);
	assert_int_equal(in(UART_RX), 0xae);
	/* In loopback nothing comes from outside. */
	assert_int_equal(uart_rx_space(&f.uart), 0);
	feed("x");
	assert_false(in(UART_LSR)&UART_LSR_DR);
	vdev_bus_write_string(&f.bus, COM1, 1, "loop", 4);
	assert_int_equal(f.runs, 0);
	assert_int_equal(in(UART_RX), 'l');
	out(UART_MCR, 0);
	assert_int_equal(in(UART_MSR)&0xf0, UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS);
}

static void
test_modem_deltas(void **state)
{
	(void)state;
	out(UART_MCR, UART_MCR_LOOP);
	in(UART_MSR);
	out(UART_MCR, UART_MCR_LOOP | UART_MCR_RTS | UART_MCR_OUT1);
	assert_int_equal(in(UART_MSR)&0x0f, UART_MSR_DCTS);
	assert_int_equal(in(UART_MSR)&0x0f, 0);
	out(UART_MCR, UART_MCR_LOOP); /* RI's end is what counts */
	assert_int_equal(in(UART_MSR)&0x0f, UART_MSR_DCTS | UART_MSR_TERI);
}

/* Typed-ahead input waits until a driver is up and looks for it. */
static void
test_ready(void **state)
{
	(void)state;
	assert_false(uart_rx_ready(&f.uart));
	/* A boot sector prints, and reads the status before and after each byte. */
	for (int i = 0; i < 100; i++) {
		in(UART_LSR);
		out(UART_TX, '.');
		in(UART_LSR);
	}
	assert_false(uart_rx_ready(&f.uart));
	driver_init(0);
	assert_false(uart_rx_ready(&f.uart));
	in(UART_RX);
	assert_true(uart_rx_ready(&f.uart));
	/* The next program's driver starts from the beginning. */
	driver_init(0);
	assert_false(uart_rx_ready(&f.uart));
	for (int i = 0; i < 20; i++)
		in(UART_LSR);
	assert_true(uart_rx_ready(&f.uart));
	driver_init(UART_IER_RDI);
	assert_true(uart_rx_ready(&f.uart));
	feed("0123456789abcdef");
	assert_false(uart_rx_ready(&f.uart)); /* full */
	assert_int_equal(in(UART_RX), '0');
	assert_true(uart_rx_ready(&f.uart));
	uart_reset(&f.uart);
	assert_false(uart_rx_ready(&f.uart));
}

/* To clear the FIFO, or to turn it on or off, empties it. */
static void
test_fifo_reset(void **state)
{
	static const uint8_t fcr[] = {
	        UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR,
	        0,
	};

	(void)state;
	for (size_t i = 0; i < sizeof(fcr); i++) {
		driver_init(UART_IER_RDI);
		feed("abc");
		assert_true(f.line.level);
		out(UART_FCR, fcr[i]);
		assert_false(in(UART_LSR)&UART_LSR_DR);
		assert_false(f.line.level);
	}
	driver_init(0);
	feed("abc");
	out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_XMIT); /* not the receiver */
	assert_int_equal(in(UART_RX), 'a');
}

#define T(name) cmocka_unit_test_setup(name, setup)
UNIT_MAIN(T(test_reset_state), T(test_registers), T(test_fifo_detection), T(test_transmit),
          T(test_transmit_run), T(test_no_run_call_back), T(test_receive), T(test_receive_order),
          T(test_overrun), T(test_without_fifo), T(test_receive_interrupt),
          T(test_transmit_interrupt), T(test_interrupt_priority), T(test_out2), T(test_loopback),
          T(test_modem_deltas), T(test_ready), T(test_fifo_reset))
