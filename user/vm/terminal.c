#include "user/vm/machine.h"

#include "inc/x86.h"

/*
 * The console, while a guest has it: its keys go to the guest's UART, but for
 * Ctrl-], which opens a prompt of ours, as telnet's does.
 */

enum { KEY_PROMPT = ']' & 31, PROMPT_LINE = 64 };

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

static void
prompt_continue(struct machine *m)
{
	(void)m;
}

static void
prompt_kmonitor(struct machine *m)
{
	(void)m;
	sys_kmonitor();
}

static void
prompt_quit(struct machine *m)
{
	machine_off(m, STATUS_OK);
}

static void
prompt_reset(struct machine *m)
{
	m->state = RUN_RESET;
}

static const struct prompt_command {
	const char *name, *text;
	void (*run)(struct machine *m);
	bool stay; /* at the prompt */
} prompt_commands[] = {
        {"continue", "back to the guest", prompt_continue, false},
        {"info", "show the guest's registers", report_registers, true},
        {"kmonitor", "enter the kernel monitor K>", prompt_kmonitor, true},
        {"quit", "end this VM", prompt_quit, false},
        {"reset", "start the guest again", prompt_reset, false},
};

static void
prompt_help(void)
{
	printf("Commands, or their first letters:\n");
	for (size_t i = 0; i < ARRAY_SIZE(prompt_commands); i++)
		printf("  %-10s %s\n", prompt_commands[i].name, prompt_commands[i].text);
}

/* The command that a line names, whole or by its beginning; NULL for none. */
static const struct prompt_command *
prompt_find(const char *line)
{
	size_t len = strlen(line);

	for (size_t i = 0; i < ARRAY_SIZE(prompt_commands); i++)
		if (len && !strncmp(line, prompt_commands[i].name, len))
			return &prompt_commands[i];
	return NULL;
}

static void
prompt(struct machine *m)
{
	const struct prompt_command *command;
	char line[PROMPT_LINE];

	putchar('\n');
	for (;;) {
		if (readline("vm> ", line, sizeof line) < 0)
			return;
		command = prompt_find(line);
		if (!command) {
			prompt_help();
			continue;
		}
		command->run(m);
		if (!command->stay)
			return;
	}
}

/* One key at a time: what follows Ctrl-] is for the prompt, which reads the console itself. */
void
terminal_poll(struct machine *m)
{
	struct terminal *t = &m->term;
	uint8_t key;

	while (t->count < sizeof t->queue && sys_console_read(&key, 1, false) == 1) {
		if (key == KEY_PROMPT)
			prompt(m);
		else
			enqueue(t, key);
	}
}
