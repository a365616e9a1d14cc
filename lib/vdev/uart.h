#ifndef NESTLING_LIB_VDEV_UART_H
#define NESTLING_LIB_VDEV_UART_H

#include "lib/vdev/vdev.h"

/*
 * A 16550A serial port (National Semiconductor PC16550D data sheet; registers: inc/uart.h).  It
 * sends at once, so the transmitter is always empty.
 */

enum { UART_PORTS = 8, UART_FIFO = 16, UART_COM1 = 0x3f8, UART_COM1_IRQ = 4 };

/* The call-backs that take sent bytes. */
struct uart_output {
	void (*tx)(void *arg, uint8_t byte);
	void (*tx_bytes)(void *arg, const uint8_t *bytes,
	                 size_t count); /* takes several; NULL: tx takes each */
	void *arg;
};

struct uart {
	struct uart_output out;
	struct vdev_irq irq;
	bool irq_level; /* the level that `irq` was last set to */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t lsr_errors; /* of UART_LSR_BRK_ERROR_BITS, those not read yet */
	uint8_t msr;        /* delta bits, until they are read */
	bool thri;          /* the transmitter-empty interrupt is pending */
	uint8_t fifo[UART_FIFO];
	unsigned int head, count;
	/* See uart_rx_ready(). */
	bool looked;
	unsigned int polls;
};

void uart_init(struct uart *u, const struct uart_output *out, const struct vdev_irq *irq);
void uart_reset(struct uart *u);
/* Puts the device on the bus at port `base`; -1 if the ports are taken. */
int uart_attach(struct uart *u, struct vdev_bus *bus, uint64_t base);

/*
 * Returns whether the guest is ready for a byte: whether it has looked for input since it last
 * reset the receiver.  It looks by enabling receive interrupts, by reading an empty receiver, or by
 * polling the status.  A byte that came earlier would be lost when the guest's driver, on its way
 * up, resets the FIFO.
 */
bool uart_rx_ready(const struct uart *u);
/* Returns how many bytes the receiver has space for, whether the guest is ready or not. */
size_t uart_rx_space(const struct uart *u);
/* Receives a byte; without space the byte is lost and the guest sees an overrun. */
void uart_rx(struct uart *u, uint8_t byte);

#endif
