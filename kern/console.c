#include "kern/console.h"

#include "kern/dev/dev.h"
#include "kern/step.h"
#include "lib/line.h"
#include "lib/printf.h"

enum {
	INPUT_SIZE = 4096, /* a power of two */
	/*
	 * Polls before a byte is given up: seconds, since a terminal that stopped
	 * its output holds us up rightly, but not for ever.
	 */
	TX_WAIT = 10 * 1000 * 1000,
};

static struct {
	uint8_t buf[INPUT_SIZE];
	unsigned int head, tail; /* free-running; head is where the next byte goes */
	bool news;
} input;

static void (*on_input)(void);

/* For input that comes while the kernel works.  The device's interrupt may be gone with the byte.
 */
static void
poll(void)
{
	unsigned int before = input.head;

	console_take();
	if (input.head != before && on_input)
		on_input();
}

void
console_init(void)
{
	pic_init();
	uart_init();
	vga_init();
	pic_unmask(IRQ_COM1);
	pic_unmask(IRQ_KBD);
	step_poll = poll;
}

/*
 * A line's output takes longer than the UART's FIFO lasts, and the kernel takes
 * no interrupts: what is typed meanwhile is taken here.
 */
static void
serial_putc(char c)
{
	if (!uart_present())
		return;
	for (unsigned int i = 0; i < TX_WAIT; i++) {
		if (uart_tx_ready()) {
			uart_putc(c);
			return;
		}
		poll();
	}
}

static bool line_begun;

/* One byte to both; a newline is both characters on a terminal. */
static void
emit(char c)
{
	if (c == '\n')
		serial_putc('\r');
	serial_putc(c);
	vga_putc(c);
	line_begun = c != '\n';
}

void
console_putc(int c)
{
	emit(c);
	vga_show_cursor();
}

void
console_write(const char *s, size_t n)
{
	for (size_t i = 0; i < n; i++)
		emit(s[i]);
	vga_show_cursor();
}

void
console_fresh_line(void)
{
	if (line_begun)
		console_putc('\n');
}

/*
 * What does not fit stays in the device, which holds the sender up: nothing
 * of a pasted text is lost.  console_getc comes back for it.
 */
void
console_take(void)
{
	while (input.head - input.tail < INPUT_SIZE) {
		int c = uart_getc();

		if (c < 0)
			c = kbd_getc();
		if (c < 0)
			return;
		input.buf[input.head++ % INPUT_SIZE] = c;
		input.news = true;
	}
}

void
console_on_input(void (*fn)(void))
{
	on_input = fn;
}

bool
console_has_news(void)
{
	bool news = input.news;

	input.news = false;
	return news;
}

int
console_getc(void)
{
	if (input.head == input.tail)
		console_take();
	if (input.head == input.tail)
		return -1;
	return input.buf[input.tail++ % INPUT_SIZE];
}

static int
wait_key(void)
{
	int c;

	while ((c = console_getc()) < 0)
		__builtin_ia32_pause();
	return c;
}

void
console_readline(const char *prompt, char *buf, size_t size)
{
	static struct line line;
	enum line_state state;

	kprintf("%s", prompt);
	line_begin(&line, console_write, buf, size);
	do
		state = line_key(&line, wait_key());
	while (state != LINE_DONE && state != LINE_CANCELLED);
}

static void
put(void *arg, char c)
{
	++*(int *)arg;
	emit(c);
}

int
kvprintf(const char *fmt, va_list ap)
{
	int n = 0;

	vformat(put, &n, fmt, ap);
	vga_show_cursor();
	return n;
}

int
kprintf(const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = kvprintf(fmt, ap);
	va_end(ap);
	return n;
}
