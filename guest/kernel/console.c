#include "guest/kernel/console.h"

#include "guest/boot/boot.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/trap.h"
#include "inc/x86.h"
#include "lib/printf.h"

/*
 * COM1.  Output is gathered until one `rep outsb` fills the FIFO: in a VM that is one exit for up
 * to 16 bytes.  Input comes by interrupt, and the guest is halted while it waits for a byte.  Only
 * the boot sector resets the FIFO, so bytes typed ahead of the prompt are kept.
 */

enum {
	UART_IER = COM1 + 1,
	UART_IIR = COM1 + 2,
	IER_RECEIVE = 1,
	IIR_FIFO = 0xc0, /* both set: there is a FIFO */
	INPUT_MAX = 1024,
};

static char out[UART_FIFO];
static unsigned int out_count, out_max = 1;

/* Bytes received, not yet read: a ring. */
static volatile char in[INPUT_MAX];
static volatile unsigned int in_head, in_tail;

/*
 * Moves the bytes that wait in the UART to the ring.  If the ring is full, switches the interrupt
 * off.
 */
static void
receive(struct trapframe *tf)
{
	(void)tf;
	while (inb(COM1_LSR) & LSR_DR) {
		if (in_head - in_tail == INPUT_MAX) {
			outb(UART_IER, 0);
			return;
		}
		in[in_head++ % INPUT_MAX] = inb(COM1);
	}
}

/*
 * Switches the interrupt on, for the first time or after receive() switched it off.  The caller has
 * cleared IF.
 */
static void
listen(void)
{
	outb(UART_IER, IER_RECEIVE);
	receive(NULL);
}

void
console_init(void)
{
	if ((inb(UART_IIR) & IIR_FIFO) == IIR_FIFO)
		out_max = UART_FIFO;
	trap_set_hook(T_IRQ + IRQ_COM1, receive);
	irq_unmask(IRQ_COM1);
	listen();
}

void
console_wait(void)
{
	for (int i = 0; i < UART_POLLS && !(inb(COM1_LSR) & LSR_THRE); i++)
		;
}

void
console_flush(void)
{
	if (out_count == 0)
		return;
	console_wait();
	outsb(COM1, out, out_count);
	out_count = 0;
}

static void
put_raw(char c)
{
	out[out_count++] = c;
	if (out_count == out_max)
		console_flush();
}

void
putchar(char c)
{
	if (c == '\n')
		put_raw('\r');
	put_raw(c);
}

char
getchar(void)
{
	char c;

	console_flush();
	cli();
	while (in_head == in_tail) {
		listen();
		if (in_head == in_tail)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
	}
	c = in[in_tail++ % INPUT_MAX];
	sti();
	return c;
}

bool
console_has_input(void)
{
	return in_head != in_tail;
}

static void
put_formatted(void *arg, char c)
{
	(*(int *)arg)++;
	putchar(c);
}

int
vprintf(const char *fmt, va_list ap)
{
	int n = 0;

	vformat(put_formatted, &n, fmt, ap);
	return n;
}

int
printf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vprintf(fmt, ap);
	va_end(ap);
	return n;
}
