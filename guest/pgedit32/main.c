#include "guest/boot/loader.h"
#include "guest/pgedit/pgedit.h"
#include "guest/pgedit32/pgedit32.h"
#include "inc/x86.h"
#include "lib/printf.h"
#include "lib/string.h"

/* The prompt of t/pgedit32: `pgedit [ROUNDS] [SEED]` and `poweroff`, with `;` between them. */

enum { COMMAND_MAX = 128, ROUNDS = 200, SEED = 1 };

static struct pg test;
static uint8_t status;

void
say(const char *fmt, ...)
{
	char text[PG_LINE + 64];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	put_text(text);
}

static void
report(bool ok)
{
	char line[PG_LINE];
	const char *quirk;

	for (unsigned int i = 0; (quirk = pg_quirk(&test, i)); i++)
		say("NOTE %s\r\n", quirk);
	if (!ok) {
		status = 1;
		pg_difference(&test, line, sizeof(line));
		say("FAIL %s\r\n", line);
		for (unsigned int i = 0; pg_step_text(&test, i, line, sizeof(line)); i++)
			say("%s\r\n", line);
	}
	pg_summary(&test, line, sizeof(line));
	say("%s %s\r\n", ok ? "PASS" : "FAIL", line);
}

/*
 * Runs the test on one format.  Paging is off before and after, so that both formats begin as at
 * boot.
 */
static void
run(bool pae, uint32_t rounds, uint32_t seed)
{
	struct pg_mode plain = {.wp = true, .pse = true};
	bool ok;

	machine_prepare(&test, pae);
	machine_paging(true, pae);
	ok = pg_run(&test, rounds, seed);
	pg_machine_mode(&plain);
	machine_paging(false, pae);
	report(ok);
}

/* Reads a decimal number and moves *text behind it.  Returns `fallback` if there is none. */
static uint32_t
number(const char **text, uint32_t fallback)
{
	char *end;
	unsigned long n;

	while (**text == ' ')
		++*text;
	n = strtoul(*text, &end, 10);
	if (end == *text)
		return fallback;
	*text = end;
	return n;
}

static void
command(const char *text)
{
	while (*text == ' ')
		text++;
	if (strncmp(text, "poweroff", strlen("poweroff")) == 0) {
		power_off(status);
	} else if (strncmp(text, "pgedit", strlen("pgedit")) == 0) {
		const char *arguments = text + strlen("pgedit");
		uint32_t rounds = number(&arguments, ROUNDS), seed = number(&arguments, SEED);

		run(false, rounds, seed);
		run(true, rounds, seed);
	} else if (*text) {
		say("%s: no such command; there are pgedit [ROUNDS] [SEED] and poweroff\r\n", text);
	}
}

/* Reads a command from COM1 and echoes it. */
static void
read_command(char *text)
{
	unsigned int n = 0;

	for (;;) {
		char c, shown[2] = "";

		while (!(inb(COM1_LSR) & LSR_DR))
			;
		c = inb(COM1);
		if (c == '\r' || c == '\n' || c == ';')
			break;
		if (n == COMMAND_MAX - 1)
			continue;
		text[n++] = shown[0] = c;
		put_text(shown);
	}
	text[n] = 0;
	put_text("\r\n");
}

void
guest_main(void)
{
	char text[COMMAND_MAX];

	machine_init();
	say("\r\nNestling guest: page tables of 32 bits and PAE\r\n");
	for (;;) {
		say("guest> ");
		read_command(text);
		command(text);
	}
}
