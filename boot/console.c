#include "boot/loader.h"

#include <stdarg.h>

#include "inc/uart.h"
#include "inc/x86.h"

/* Messages go to the screen by INT 10h and to COM1, which the boot sector has set up. */

#define COM1 0x3f8

enum { PORT_POLLS = 100000 }; /* reads of LSR until the serial port counts as absent */

static void
put_char(char c)
{
	struct bios_regs regs = {.eax = 0x0e00 | (uint8_t)c, .ebx = 7}; /* teletype output */

	bios_call(0x10, &regs);
	for (int i = 0; i < PORT_POLLS && !(inb(COM1 + UART_LSR) & UART_LSR_THRE); i++)
		;
	outb(COM1 + UART_TX, c);
}

static void
put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

static void
put_decimal(uint32_t v)
{
	if (v >= 10)
		put_decimal(v / 10);
	put_char('0' + v % 10);
}

static void
put_hex(uint64_t v)
{
	int shift = 60;

	put_string("0x");
	while (shift > 0 && !(v >> shift))
		shift -= 4;
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[v >> shift & 0xf]);
}

static void
put_argument(char format, va_list *ap)
{
	switch (format) {
	case 's':
		put_string(va_arg(*ap, const char *));
		break;
	case 'u':
		put_decimal(va_arg(*ap, uint32_t));
		break;
	case 'x':
		put_hex(va_arg(*ap, uint32_t));
		break;
	case 'X':
		put_hex(va_arg(*ap, uint64_t));
		break;
	default:
		put_char(format);
	}
}

void
fail(const char *fmt, ...)
{
	va_list ap;

	put_string(BOOT_ERROR_PREFIX);
	va_start(ap, fmt);
	for (; *fmt; fmt++) {
		if (*fmt == '%' && fmt[1])
			put_argument(*++fmt, &ap);
		else
			put_char(*fmt);
	}
	va_end(ap);
	put_string("\r\n");
	for (;;)
		__asm__ volatile("cli; hlt");
}
