#include "user/vm/machine.h"

/*
 * The console, while a guest has it: its keys go to the guest's UART, but for
 * Ctrl-], which opens a prompt of ours, as telnet's does.
 */

enum { KEY_PROMPT = ']' & 31 };

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
	bool full = t->count == sizeof t->queue;

	while (t->count && uart_rx_ready(&m->uart) && uart_rx_space(&m->uart)) {
		uart_rx(&m->uart, t->queue[t->head]);
		t->head = (t->head + 1) % sizeof t->queue;
		t->count--;
	}
	/* What found no room waits in the kernel, which says so only once: the vCPU comes back for
	 * it. */
	if (full && t->count < sizeof t->queue)
		sys_vcpu_kick(m->vm, m->vcpu);
}

/* One key at a time: what follows Ctrl-] is for the prompt, which reads the console itself. */
void
terminal_poll(struct machine *m)
{
	struct terminal *t = &m->term;
	uint8_t key;

	while (m->attached && t->count < sizeof t->queue &&
	       sys_console_read(&key, 1, CONSOLE_POLL) == 1) {
		if (key == KEY_PROMPT)
			prompt_open(m);
		else
			enqueue(t, key);
	}
}
