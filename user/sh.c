#include "lib/user.h"

#include "inc/x86.h"
#include "lib/parse.h"

/*
 * The shell.  A line holds commands separated by `;`.  All of them run; the
 * line's status is the first that is not 0, so that 0 means that all went well.
 */

enum {
	LINE_MAX = CMDLINE_MAX,
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_CANNOT_RUN = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_KILLED = 128,
};

static int last_status;
static bool leaving;

static int builtin_exit(int argc, char **argv);
static int builtin_help(int argc, char **argv);
static int builtin_status(int argc, char **argv);

static const struct builtin {
	const char *name, *args, *text;
	int (*run)(int argc, char **argv);
} builtins[] = {
        {"exit", "[STATUS]", "leave the shell; STATUS is that of the last command if not given",
         builtin_exit},
        {"help", "", "show this list", builtin_help},
        {"status", "", "print the status of the last command", builtin_status},
};

static const struct {
	const char *name, *args, *text;
} programs[] = {
#define PROGRAM(name, args, text) {#name, args, text},
#include "user/programs.def"
#undef PROGRAM
};

static void
print_help(const char *name, const char *args, const char *text)
{
	char usage[64];

	snprintf(usage, sizeof usage, "%s %s", name, args);
	printf("  %-38s %s\n", usage, text);
}

static int
builtin_help(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("Of the shell itself:\n");
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		print_help(builtins[i].name, builtins[i].args, builtins[i].text);
	printf("Programs:\n");
	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		print_help(programs[i].name, programs[i].args, programs[i].text);
	return 0;
}

static int
builtin_status(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	printf("%d\n", last_status);
	return 0;
}

static int
builtin_exit(int argc, char **argv)
{
	uint64_t status = last_status;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], UINT8_MAX, &status))) {
		printf("usage: exit [STATUS], STATUS from 0 to %d\n", UINT8_MAX);
		return STATUS_USAGE;
	}
	leaving = true;
	return status;
}

static int
run_program(int argc, char **argv)
{
	long id = sys_spawn(argv[0], argv, argc);
	long status;

	if (id == -E_NOT_FOUND) {
		printf("sh: %s: no such command; `help` lists them\n", argv[0]);
		return STATUS_NOT_FOUND;
	}
	if (id < 0) {
		printf("sh: %s: %s\n", argv[0], error_text(id));
		return STATUS_CANNOT_RUN;
	}
	status = sys_env_wait(id);
	if (status < 0) {
		printf("sh: waiting for %s: %s\n", argv[0], error_text(status));
		return STATUS_ERROR;
	}
	return status == ENV_WAIT_KILLED ? STATUS_KILLED : status;
}

static int
run_command(int argc, char **argv)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		if (!strcmp(argv[0], builtins[i].name))
			return builtins[i].run(argc, argv);
	return run_program(argc, argv);
}

/* Runs the commands of a line, which is used up; the first status that is not 0. */
static int
run_line(char *line)
{
	static const char *const errors[] = {
	        [PARSE_OPEN_QUOTE] = "a quote is not closed",
	        [PARSE_TOO_MANY] = "too many words in a command",
	};
	int first_failure = 0;

	while (line && !leaving) {
		char *words[SPAWN_ARGS_MAX];
		size_t count;
		enum parse_result result = parse_command(&line, words, SPAWN_ARGS_MAX, &count);

		if (result != PARSE_OK) {
			printf("sh: %s\n", errors[result]);
			last_status = STATUS_USAGE;
		} else if (count) {
			last_status = run_command(count, words);
		}
		if (!first_failure)
			first_failure = last_status;
	}
	return first_failure;
}

int
main(int argc, char **argv)
{
	static char line[LINE_MAX];

	if (argc == 3 && !strcmp(argv[1], "-c")) {
		if (strlcpy(line, argv[2], sizeof line) < sizeof line)
			return run_line(line);
		printf("sh: -c: longer than %d bytes\n", LINE_MAX - 1);
		return STATUS_USAGE;
	}
	if (argc != 1) {
		printf("usage: sh [-c COMMANDS]\n");
		return STATUS_USAGE;
	}
	while (!leaving) {
		int len = readline("$ ", line, sizeof line);

		if (len == READLINE_END)
			break;
		if (len >= 0)
			run_line(line);
	}
	return last_status;
}
