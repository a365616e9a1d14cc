#include "user/vm/machine.h"

/*
 * The console, while a guest has it: its keys go to the guest's UART, but for
 * Ctrl-], which opens a prompt of ours, as telnet's does.
 */

enum { KEY_PROMPT = ']' & 31 };

/* Without room it is lost, rather than Ctrl-] behind it wait for a guest that reads nothing. */
static void
enqueue(struct terminal *t, uint8_t byte)
{
	if (t->count == sizeof t->queue)
		return;
	t->queue[(t->head + t->count++) % sizeof t->queue] = byte;
}

void
terminal_type(struct terminal *t, const char *text)
{
	for (; *text; text++)
		enqueue(t, *text);
}

void
terminal_feed(struct machine *m)
{
	struct terminal *t = &m->term;

	while (t->count && uart_rx_ready(&m->uart) && uart_rx_space(&m->uart)) {
		uart_rx(&m->uart, t->queue[t->head]);
		t->head = (t->head + 1) % sizeof t->queue;
		t->count--;
	}
}

/* One key at a time: what follows Ctrl-] is for the prompt, which reads the console itself. */
void
terminal_poll(struct machine *m)
{
	struct terminal *t = &m->term;
	uint8_t key;

	while (m->attached && sys_console_read(&key, 1, CONSOLE_POLL) == 1) {
		if (key == KEY_PROMPT)
			prompt_open(m);
		else
			enqueue(t, key);
	}
}
