#include "guest/boot/loader.h"
#include "inc/x86.h"

static void
put_byte(char c)
{
	for (int i = 0; i < UART_POLLS && !(inb(COM1_LSR) & LSR_THRE); i++)
		;
	outb(COM1, c);
}

void
put_text(const char *s)
{
	for (; *s; s++)
		put_byte(*s);
}

void
put_number(uint32_t v)
{
	if (v >= 10)
		put_number(v / 10);
	put_byte('0' + v % 10);
}

void
power_off(uint8_t status)
{
	outb(POWER_PORT, status);
	for (;;)
		__asm__ volatile("cli; hlt");
}

static _Noreturn void
fail_with(const char *head, const char *message)
{
	put_text("guest loader: ");
	put_text(head);
	put_text(message);
	put_text("\r\n");
	power_off(1);
}

void
fail(const char *message)
{
	fail_with("", message);
}

void
fail_kernel(const char *fault)
{
	fail_with("kernel ", fault);
}

void
fail_size(const char *message, uint32_t needs, const char *unit, uint32_t has)
{
	put_text("guest loader: ");
	put_text(message);
	put_text(": needs ");
	put_number(needs);
	put_text(unit);
	put_number(has);
	put_text("\r\n");
	power_off(1);
}
