#include "lib/vdev/uart.h"

#include "inc/uart.h"

/* A guest polls for input if it reads the status this many times in a row, and nothing else. */
enum { POLLS = 8 };

/* IIR's top bits say that this is a 16550A: unlike its ancestors, it has FIFOs that work. */
enum { IIR_FIFOS = 0xc0 };

/* These modem inputs say that a terminal is there. */
enum { MSR_TERMINAL = UART_MSR_DCD | UART_MSR_DSR | UART_MSR_CTS };

static bool
dlab(const struct uart *u)
{
	return u->lcr & UART_LCR_DLAB;
}

static bool
fifo_on(const struct uart *u)
{
	return u->fcr & UART_FCR_ENABLE_FIFO;
}

static unsigned int
fifo_size(const struct uart *u)
{
	return fifo_on(u) ? UART_FIFO : 1;
}

/* Returns how many bytes in the FIFO raise the receive interrupt. */
static unsigned int
trigger_level(const struct uart *u)
{
	static const uint8_t level[] = {1, 4, 8, 14};

	return fifo_on(u) ? level[(u->fcr & UART_FCR_TRIGGER_MASK) >> 6] : 1;
}

/*
 * Returns the pending interrupt of the highest priority, as IIR shows it.  Fewer bytes than the
 * trigger level count as a character timeout at once: nothing says when the next byte comes.
 */
static uint8_t
interrupt(const struct uart *u)
{
	if ((u->ier & UART_IER_RLSI) && u->lsr_errors)
		return UART_IIR_RLSI;
	if ((u->ier & UART_IER_RDI) && u->count)
		return u->count >= trigger_level(u) ? UART_IIR_RDI : UART_IIR_RX_TIMEOUT;
	if ((u->ier & UART_IER_THRI) && u->thri)
		return UART_IIR_THRI;
	if ((u->ier & UART_IER_MSI) && (u->msr & UART_MSR_ANY_DELTA))
		return UART_IIR_MSI;
	return UART_IIR_NO_INT;
}

/* On a PC, OUT2 connects the chip's interrupt output to the bus. */
static void
update_irq(struct uart *u)
{
	bool level = (u->mcr & UART_MCR_OUT2) && interrupt(u) != UART_IIR_NO_INT;

	if (level == u->irq_level)
		return;
	u->irq_level = level;
	u->irq.set(u->irq.arg, u->irq.line, level);
}

static void
clear_receiver(struct uart *u)
{
	u->head = u->count = 0;
	u->looked = false;
	u->polls = 0;
}

static void
receive(struct uart *u, uint8_t byte)
{
	if (u->count == fifo_size(u)) {
		u->lsr_errors |= UART_LSR_OE;
		return;
	}
	u->fifo[(u->head + u->count) % UART_FIFO] = byte;
	u->count++;
}

static uint8_t
read_rbr(struct uart *u)
{
	uint8_t byte = u->fifo[u->head];

	if (u->count == 0) {
		u->looked = true;
		return byte;
	}
	u->head = (u->head + 1) % UART_FIFO;
	u->count--;
	return byte;
}

static uint8_t
read_iir(struct uart *u)
{
	uint8_t iir = interrupt(u);

	/* A read that shows the transmitter's interrupt acknowledges it. */
	if (iir == UART_IIR_THRI)
		u->thri = false;
	return iir | (fifo_on(u) ? IIR_FIFOS : 0);
}

static uint8_t
read_lsr(struct uart *u)
{
	uint8_t lsr = UART_LSR_THRE | UART_LSR_TEMT | u->lsr_errors;

	u->lsr_errors = 0;
	return lsr | (u->count ? UART_LSR_DR : 0);
}

/* In loopback the modem outputs feed the inputs. */
static uint8_t
modem_inputs(const struct uart *u)
{
	if (!(u->mcr & UART_MCR_LOOP))
		return MSR_TERMINAL;
	return (u->mcr & UART_MCR_RTS ? UART_MSR_CTS : 0) |
	       (u->mcr & UART_MCR_DTR ? UART_MSR_DSR : 0) |
	       (u->mcr & UART_MCR_OUT1 ? UART_MSR_RI : 0) |
	       (u->mcr & UART_MCR_OUT2 ? UART_MSR_DCD : 0);
}

static uint8_t
read_msr(struct uart *u)
{
	uint8_t msr = u->msr | modem_inputs(u);

	u->msr = 0;
	return msr;
}

static uint8_t
read_register(struct uart *u, uint64_t reg)
{
	switch (reg) {
	case UART_RX:
		return dlab(u) ? u->dll : read_rbr(u);
	case UART_IER:
		return dlab(u) ? u->dlm : u->ier;
	case UART_IIR:
		return read_iir(u);
	case UART_LCR:
		return u->lcr;
	case UART_MCR:
		return u->mcr;
	case UART_LSR:
		return read_lsr(u);
	case UART_MSR:
		return read_msr(u);
	default:
		return u->scr;
	}
}

static uint64_t
uart_read(void *state, uint64_t reg, unsigned int size)
{
	struct uart *u = state;
	uint8_t value = read_register(u, reg);

	(void)size;
	if ((reg == UART_LSR || reg == UART_IIR) && u->count == 0)
		u->looked |= ++u->polls >= POLLS;
	else
		u->polls = 0;
	update_irq(u);
	return value;
}

static void
write_thr(struct uart *u, uint8_t byte)
{
	if (dlab(u)) {
		u->dll = byte;
		return;
	}
	/* The request falls and rises again: an edge-triggered PIC must see it. */
	u->thri = false;
	update_irq(u);
	if (u->mcr & UART_MCR_LOOP)
		receive(u, byte);
	else
		u->out.tx(u->out.arg, byte);
	u->thri = true; /* the byte is sent already */
	update_irq(u);
}

static void
write_ier(struct uart *u, uint8_t value)
{
	if (dlab(u)) {
		u->dlm = value;
		return;
	}
	/* Enabling the interrupt of an empty transmitter raises it. */
	if (value & ~u->ier & UART_IER_THRI)
		u->thri = true;
	u->ier = value & (UART_IER_RDI | UART_IER_THRI | UART_IER_RLSI | UART_IER_MSI);
	update_irq(u);
}

static void
write_fcr(struct uart *u, uint8_t value)
{
	/* Turning the FIFOs on or off empties them; without them the other bits do nothing. */
	if ((value ^ u->fcr) & UART_FCR_ENABLE_FIFO || value & UART_FCR_CLEAR_RCVR)
		clear_receiver(u);
	u->fcr = value & UART_FCR_ENABLE_FIFO
	                 ? value & (UART_FCR_ENABLE_FIFO | UART_FCR_TRIGGER_MASK)
	                 : 0;
	update_irq(u);
}

static void
write_lcr(struct uart *u, uint8_t value)
{
	u->lcr = value;
}

static void
write_mcr(struct uart *u, uint8_t value)
{
	uint8_t before = modem_inputs(u), change;

	u->mcr = value &
	         (UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT1 | UART_MCR_OUT2 | UART_MCR_LOOP);
	change = before ^ modem_inputs(u);
	u->msr |= (change & UART_MSR_CTS ? UART_MSR_DCTS : 0) |
	          (change & UART_MSR_DSR ? UART_MSR_DDSR : 0) |
	          (change & before & UART_MSR_RI ? UART_MSR_TERI : 0) |
	          (change & UART_MSR_DCD ? UART_MSR_DDCD : 0);
	update_irq(u);
}

static void
write_scr(struct uart *u, uint8_t value)
{
	u->scr = value;
}

static void
write_nothing(struct uart *u, uint8_t value)
{
	(void)u;
	(void)value;
}

static void (*const writers[UART_PORTS])(struct uart *u, uint8_t value) = {
        [UART_TX] = write_thr,      [UART_IER] = write_ier, [UART_FCR] = write_fcr,
        [UART_LCR] = write_lcr,     [UART_MCR] = write_mcr, [UART_LSR] = write_nothing,
        [UART_MSR] = write_nothing, [UART_SCR] = write_scr,
};

static void
uart_write(void *state, uint64_t reg, unsigned int size, uint64_t value)
{
	struct uart *u = state;

	(void)size;
	u->polls = 0;
	writers[reg](u, value);
}

/* Sends a run of bytes with one call. */
static size_t
uart_write_string(void *state, uint64_t reg, unsigned int size, const void *buf, size_t count)
{
	struct uart *u = state;

	if (reg != UART_TX || size != 1 || dlab(u) || (u->mcr & UART_MCR_LOOP) || !u->out.tx_bytes)
		return 0;
	u->polls = 0;
	u->thri = false;
	update_irq(u);
	u->out.tx_bytes(u->out.arg, buf, count);
	u->thri = true;
	update_irq(u);
	return count;
}

void
uart_init(struct uart *u, const struct uart_output *out, const struct vdev_irq *irq)
{
	*u = (struct uart){.out = *out, .irq = *irq};
	uart_reset(u);
}

void
uart_reset(struct uart *u)
{
	*u = (struct uart){
	        .out = u->out, .irq = u->irq, .irq_level = u->irq_level, .dll = 12, /* 9600 baud */
	};
	update_irq(u);
}

int
uart_attach(struct uart *u, struct vdev_bus *bus, uint64_t base)
{
	return vdev_bus_add(bus, &(struct vdev){
	                                 .name = "uart",
	                                 .base = base,
	                                 .len = UART_PORTS,
	                                 .bytes = true,
	                                 .read = uart_read,
	                                 .write = uart_write,
	                                 .write_string = uart_write_string,
	                                 .state = u,
	                         });
}

bool
uart_rx_ready(const struct uart *u)
{
	bool takes_interrupts = (u->ier & UART_IER_RDI) && (u->mcr & UART_MCR_OUT2);

	return (u->looked || takes_interrupts) && uart_rx_space(u);
}

size_t
uart_rx_space(const struct uart *u)
{
	/* In loopback the serial input is disconnected. */
	return u->mcr & UART_MCR_LOOP ? 0 : fifo_size(u) - u->count;
}

void
uart_rx(struct uart *u, uint8_t byte)
{
	if (!(u->mcr & UART_MCR_LOOP))
		receive(u, byte);
	update_irq(u);
}
