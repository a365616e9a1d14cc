#include "inc/uart.h"
#include "inc/x86.h"
#include "kern/dev/dev.h"

enum {
	COM1 = 0x3f8,
	UART_CLOCK_BAUD = 115200, /* at divisor 1 */
	BAUD = 115200,
	DRAIN_WAIT = 1000 * 1000, /* polls of the line status; a broken UART must not hold us */
};

static bool present;

static uint8_t
reg_in(unsigned int reg)
{
	return inb(COM1 + reg);
}

static void
reg_out(unsigned int reg, uint8_t v)
{
	outb(COM1 + reg, v);
}

/* The scratch register keeps what is written, where there is a UART. */
static bool
probe(void)
{
	for (unsigned int i = 0; i < 2; i++) {
		uint8_t v = i ? 0xa5 : 0x5a;

		reg_out(UART_SCR, v);
		if (reg_in(UART_SCR) != v)
			return false;
	}
	return true;
}

void
uart_init(void)
{
	present = probe();
	if (!present)
		return;
	reg_out(UART_IER, 0);
	reg_out(UART_LCR, UART_LCR_DLAB | UART_LCR_WLEN8);
	reg_out(UART_DLL, UART_CLOCK_BAUD / BAUD);
	reg_out(UART_DLM, 0);
	reg_out(UART_LCR, UART_LCR_WLEN8);
	/* Trigger level 1: a key press is seen at once. */
	reg_out(UART_FCR, UART_FCR_ENABLE_FIFO | UART_FCR_CLEAR_RCVR | UART_FCR_TRIGGER_1);
	/* OUT2 connects the interrupt line on a PC. */
	reg_out(UART_MCR, UART_MCR_DTR | UART_MCR_RTS | UART_MCR_OUT2);
	reg_out(UART_IER, UART_IER_RDI);
}

bool
uart_present(void)
{
	return present;
}

bool
uart_tx_ready(void)
{
	return reg_in(UART_LSR) & UART_LSR_THRE;
}

void
uart_putc(char c)
{
	reg_out(UART_TX, c);
}

int
uart_getc(void)
{
	if (!present || !(reg_in(UART_LSR) & UART_LSR_DR))
		return -1;
	return reg_in(UART_RX);
}

void
uart_drain(void)
{
	for (unsigned int i = 0; i < DRAIN_WAIT && present; i++)
		if (reg_in(UART_LSR) & UART_LSR_TEMT)
			return;
}
