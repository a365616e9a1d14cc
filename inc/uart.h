#ifndef NESTLING_INC_UART_H
#define NESTLING_INC_UART_H

/*
 * The serial port 16550A as a PC has it: registers by their offset from the
 * first port, and their bits.  For C and assembly; the host's driver, the
 * loaders and the device model share it.
 */
#define UART_RX       0 /* read: received byte */
#define UART_TX       0 /* write: byte to send */
#define UART_DLL      0 /* with UART_LCR_DLAB: divisor, low byte */
#define UART_IER      1 /* interrupt enable */
#define UART_DLM      1 /* with UART_LCR_DLAB: divisor, high byte */
#define UART_IIR      2 /* read: interrupt identification */
#define UART_FCR      2 /* write: FIFO control */
#define UART_LCR      3 /* line control */
#define UART_MCR      4 /* modem control */
#define UART_LSR      5 /* line status */
#define UART_MSR      6 /* modem status */
#define UART_SCR      7 /* scratch */

#define UART_IER_RDI  0x01 /* received data */
#define UART_IER_THRI 0x02 /* transmitter holding register empty */
#define UART_IER_RLSI 0x04 /* line status: an error or a break */
#define UART_IER_MSI  0x08 /* modem status */

/* Bits 3:0 of UART_IIR, the highest in rank first. */
#define UART_IIR_NO_INT         0x01
#define UART_IIR_RLSI           0x06
#define UART_IIR_RDI            0x04
#define UART_IIR_RX_TIMEOUT     0x0c
#define UART_IIR_THRI           0x02
#define UART_IIR_MSI            0x00

#define UART_FCR_ENABLE_FIFO    0x01
#define UART_FCR_CLEAR_RCVR     0x02
#define UART_FCR_CLEAR_XMIT     0x04
#define UART_FCR_TRIGGER_MASK   0xc0 /* bytes received before an interrupt */
#define UART_FCR_TRIGGER_1      0x00
#define UART_FCR_TRIGGER_4      0x40
#define UART_FCR_TRIGGER_8      0x80
#define UART_FCR_TRIGGER_14     0xc0

#define UART_LCR_WLEN8          0x03 /* 8 bits; without further bits: no parity, 1 stop bit */
#define UART_LCR_DLAB           0x80 /* divisor latch access */

#define UART_MCR_DTR            0x01
#define UART_MCR_RTS            0x02
#define UART_MCR_OUT1           0x04
#define UART_MCR_OUT2           0x08 /* connects the interrupt line on a PC */
#define UART_MCR_LOOP           0x10

#define UART_LSR_DR             0x01 /* data ready */
#define UART_LSR_OE             0x02 /* overrun */
#define UART_LSR_PE             0x04 /* parity */
#define UART_LSR_FE             0x08 /* framing */
#define UART_LSR_BI             0x10 /* break */
#define UART_LSR_BRK_ERROR_BITS 0x1e
#define UART_LSR_THRE           0x20 /* transmitter holding register empty */
#define UART_LSR_TEMT           0x40 /* transmitter empty altogether */

#define UART_MSR_DCTS           0x01 /* changes since the last read */
#define UART_MSR_DDSR           0x02
#define UART_MSR_TERI           0x04
#define UART_MSR_DDCD           0x08
#define UART_MSR_ANY_DELTA      0x0f
#define UART_MSR_CTS            0x10
#define UART_MSR_DSR            0x20
#define UART_MSR_RI             0x40
#define UART_MSR_DCD            0x80

#endif
