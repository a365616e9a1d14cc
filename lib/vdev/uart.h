#ifndef NESTLING_LIB_VDEV_UART_H
#define NESTLING_LIB_VDEV_UART_H

#include "lib/vdev/vdev.h"

/*
 * A 16550A serial port.  It sends at once, so the transmitter is always empty.
 * (National Semiconductor PC16550D data sheet; registers: inc/uart.h.)
 */

enum { UART_PORTS = 8, UART_FIFO = 16, UART_COM1 = 0x3f8, UART_COM1_IRQ = 4 };

/* Where sent bytes go. */
struct uart_output {
	void (*tx)(void *arg, uint8_t byte);
	void (*tx_bytes)(void *arg, const uint8_t *bytes,
	                 size_t count); /* whole runs; may be NULL */
	void *arg;
};

struct uart {
	struct uart_output out;
	struct vdev_irq irq;
	bool irq_level; /* as last told */
	uint8_t ier, fcr, lcr, mcr, scr, dll, dlm;
	uint8_t lsr_errors; /* UART_LSR_BRK_ERROR_BITS that wait to be read */
	uint8_t msr;        /* the delta bits that wait to be read */
	bool thri;          /* the transmitter-empty interrupt is pending */
	uint8_t fifo[UART_FIFO];
	unsigned int head, count;
	/* See uart_rx_ready(). */
	bool looked;
	unsigned int polls;
};

void uart_init(struct uart *u, const struct uart_output *out, const struct vdev_irq *irq);
void uart_reset(struct uart *u);
/* -1 when the ports are taken. */
int uart_attach(struct uart *u, struct vdev_bus *bus, uint64_t base);

/*
 * Should a waiting byte be handed over now?  Only once the guest has looked for
 * input since it last reset the receiver: it takes receive interrupts, has
 * read an empty receiver, or polls its status.  What was typed before a guest's
 * driver is up would be lost in the driver's reset of the FIFO.
 */
bool uart_rx_ready(const struct uart *u);
/* Bytes that the receiver can take, ready or not. */
size_t uart_rx_space(const struct uart *u);
/* A byte arrives; without space it is lost and the guest sees an overrun. */
void uart_rx(struct uart *u, uint8_t byte);

#endif
