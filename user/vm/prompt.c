#include "user/vm/machine.h"

#include "inc/x86.h"
#include "lib/user/parse.h"

/* The prompt that Ctrl-] opens.  The guest and its clocks stand still meanwhile. */

enum { PROMPT_LINE = 128 };

static void
prompt_continue(struct machine *m)
{
	m->paused = false;
}

static void
prompt_detach(struct machine *m)
{
	job_detach(m);
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
	m->paused = false;
	machine_restart(m);
}

static const struct prompt_command {
	const char *name, *text;
	void (*run)(struct machine *m); /* NULL: the program of that name, with this VM's number */
	bool stay;                      /* at the prompt */
} prompt_commands[] = {
        {"continue", "back to the guest", prompt_continue, false},
        {"detach", "back to the shell; the guest goes on in the background", prompt_detach, false},
        {"exits", "show the guest's exits; takes its options", NULL, true},
        {"info", "show the guest's registers", report_registers, true},
        {"kmonitor", "enter the kernel monitor K>", prompt_kmonitor, true},
        {"quit", "end this VM", prompt_quit, false},
        {"reset", "start the guest again", prompt_reset, false},
        {"trace", "show the last exits; takes its options", NULL, true},
};

static void
prompt_help(void)
{
	printf("Commands, or their first letters:\n");
	for (size_t i = 0; i < ARRAY_SIZE(prompt_commands); i++)
		printf("  %-10s %s\n", prompt_commands[i].name, prompt_commands[i].text);
}

/* The command that a word names, whole or by its beginning; NULL for none. */
static const struct prompt_command *
prompt_find(const char *word)
{
	size_t len = strlen(word);

	for (size_t i = 0; i < ARRAY_SIZE(prompt_commands); i++)
		if (len && !strncmp(word, prompt_commands[i].name, len))
			return &prompt_commands[i];
	return NULL;
}

/* Runs the program NAME with this VM's number and the words behind the first. */
static void
prompt_program(struct machine *m, const char *name, char **words, size_t count)
{
	char number[12], program[ENV_NAME_MAX];
	long id;

	snprintf(number, sizeof number, "%u", m->vm);
	strlcpy(program, name, sizeof program);
	memmove(&words[2], &words[1], (count - 1) * sizeof words[0]);
	words[0] = program;
	words[1] = number;
	id = sys_spawn(program, words, count + 1);
	if (id < 0) {
		printf("%s: %s\n", name, error_text(id));
		return;
	}
	sys_console_give(id);
	sys_env_wait(id);
}

/* Runs a command line; false when the prompt is done. */
static bool
prompt_run(struct machine *m, char *line)
{
	char *words[SPAWN_ARGS_MAX]; /* with room for the VM's number */
	const struct prompt_command *command;
	size_t count;

	if (parse_command(&line, words, SPAWN_ARGS_MAX - 1, &count) != PARSE_OK || !count ||
	    !(command = prompt_find(words[0]))) {
		prompt_help();
		return true;
	}
	if (command->run)
		command->run(m);
	else
		prompt_program(m, command->name, words, count);
	return command->stay;
}

void
prompt_open(struct machine *m)
{
	char line[PROMPT_LINE];

	machine_hold(m);
	putchar('\n');
	while (readline("vm> ", line, sizeof line) >= 0 && prompt_run(m, line))
		;
	machine_release(m);
}
