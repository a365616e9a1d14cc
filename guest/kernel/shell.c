#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/main.h"
#include "guest/kernel/mem.h"
#include "inc/x86.h"
#include "lib/line.h"
#include "lib/printf.h"
#include "lib/string.h"

/* The prompt: reads lines, splits them at `;` and runs commands from a table. */

enum { LINE_MAX = 512, ARGS_MAX = 32 };

enum {
	KBD_COMMAND = 0x64,
	KBD_RESET = 0xfe,
	RESET_POLLS = 100000000, /* PAUSEs until a reset counts as failed */
};

struct command {
	const char *name, *args, *help;
	int (*run)(int argc, char **argv);
};

static const struct command commands[] = {
#define X(name, args, help) {#name, args, help, cmd_##name},
        COMMAND_TABLE(X)
#undef X
};

static const char *const selftests[] = {
#define X(name) #name,
        SELFTEST_TABLE(X)
#undef X
};

static unsigned int run_count, failed_count;
static int first_failure; /* status of the first command that failed, 0 if none */

static void
show(const char *s, size_t n)
{
	while (n--)
		putchar(*s++);
}

/* Reads a line from the console; ^C makes it empty. */
static void
read_line(char *text, size_t size)
{
	static struct line line;
	enum line_state state;

	line_begin(&line, show, text, size);
	do
		state = line_key(&line, getchar());
	while (state != LINE_DONE && state != LINE_CANCELLED);
}

static int
split(char *text, char **argv)
{
	int argc = 0;

	for (;;) {
		while (*text == ' ' || *text == '\t')
			*text++ = 0;
		if (*text == 0 || argc == ARGS_MAX)
			break;
		argv[argc++] = text;
		while (*text && *text != ' ' && *text != '\t')
			text++;
	}
	argv[argc] = NULL;
	return argc;
}

static const struct command *
find_command(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		if (strcmp(commands[i].name, name) == 0)
			return &commands[i];
	}
	return NULL;
}

static int
call(const struct command *c, int argc, char **argv)
{
	unsigned int failed = check_counts().failed;
	int status = c->run(argc, argv);

	return status == 0 && check_counts().failed != failed ? STATUS_FAILED : status;
}

static void
run(char *text)
{
	char *argv[ARGS_MAX + 1];
	int argc = split(text, argv), status = STATUS_UNKNOWN;
	const struct command *c;

	if (argc == 0)
		return;
	c = find_command(argv[0]);
	if (c)
		status = call(c, argc, argv);
	else
		printf("%s: no such command; `help` lists them\n", argv[0]);
	run_count++;
	if (status != 0)
		failed_count++;
	if (first_failure == 0)
		first_failure = status;
}

void
shell(void)
{
	static char line[LINE_MAX];

	for (;;) {
		char *next = line;

		printf("guest> ");
		read_line(line, sizeof(line));
		while (next) {
			char *text = next;

			next = strchr(text, ';');
			if (next)
				*next++ = 0;
			run(text);
		}
	}
}

bool
arg_number(int argc, char **argv, int n, uint64_t fallback, uint64_t min, uint64_t max,
           uint64_t *out)
{
	char *end;

	*out = fallback;
	if (n >= argc)
		return true;
	*out = strtoul(argv[n], &end, 0);
	if (end != argv[n] && *end == 0 && *out >= min && *out <= max)
		return true;
	printf("%s: '%s' is not a number from %#lx to %#lx\n", argv[0], argv[n], min, max);
	return false;
}

int
cmd_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
		char usage[32];

		snprintf(usage, sizeof(usage), "%s %s", commands[i].name, commands[i].args);
		printf("  %-24s %s\n", usage, commands[i].help);
	}
	printf("`;` separates commands.  Numbers are decimal, or hexadecimal with 0x.\n");
	return 0;
}

/* A command that fails without a failed check (no memory left, say) counts as one failed check. */
int
cmd_selftest(int argc, char **argv)
{
	struct check_counts before = check_counts(), after;
	unsigned int other = 0;

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(selftests); i++) {
		unsigned int failed = check_counts().failed;
		char name[16], *arguments[] = {name, NULL};

		strlcpy(name, selftests[i], sizeof(name));
		if (find_command(name)->run(1, arguments) != 0 && check_counts().failed == failed)
			other++;
	}
	after = check_counts();
	printf("selftest: %u passed, %u failed\n", after.passed - before.passed,
	       after.failed - before.failed + other);
	return other ? STATUS_FAILED : 0;
}

int
cmd_echo(int argc, char **argv)
{
	for (int i = 1; i < argc; i++)
		printf("%s%s", argv[i], i + 1 < argc ? " " : "");
	printf("\n");
	return 0;
}

int
cmd_status(int argc, char **argv)
{
	struct check_counts checks = check_counts();

	(void)argc;
	(void)argv;
	printf("commands  %u run, %u failed, status of the first failed %d\n", run_count,
	       failed_count, first_failure);
	printf("checks    %u passed, %u failed\n", checks.passed, checks.failed);
	printf("CPUIDs    %lu executed since boot\n", guest_cpuids());
	printf("RAM       %lu KiB, of it %lu KiB never touched\n", mem_ram() / 1024,
	       mem_fresh_left() * 4);
	printf("timer     %lu interrupts\n", timer_ticks());
	return 0;
}

int
cmd_poweroff(int argc, char **argv)
{
	uint64_t status;

	if (!arg_number(argc, argv, 1, first_failure, 0, 255, &status))
		return STATUS_USAGE;
	power_off(status);
}

int
cmd_reboot(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	console_flush();
	outb(KBD_COMMAND, KBD_RESET);
	for (int i = 0; i < RESET_POLLS; i++)
		pause_cpu();
	printf("reboot: the keyboard controller at port %02xh did not reset the machine\n",
	       KBD_COMMAND);
	return STATUS_FAILED;
}
