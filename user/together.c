#include "lib/user/user.h"

#include "lib/user/parse.h"

/*
 * Runs commands at the same time, each given as one argument, and waits for all: two VMs
 * that share the CPU, for example.  The status is the first command's that is not 0.
 */

enum { STATUS_ERROR = 1, STATUS_USAGE = 2, COMMANDS_MAX = SPAWN_ARGS_MAX };

/* The process, or -E_ after a message. */
static long
start(char *line)
{
	char *words[SPAWN_ARGS_MAX], *rest = line;
	size_t count;
	long id;

	if (parse_command(&rest, words, SPAWN_ARGS_MAX, &count) != PARSE_OK || !count || rest) {
		printf("together: expected one command in each argument, found '%s'\n", line);
		return -E_INVAL;
	}
	id = sys_spawn(words[0], words, count);
	if (id < 0)
		printf("together: '%s': %s\n", line, error_text(id));
	return id;
}

int
main(int argc, char **argv)
{
	long ids[COMMANDS_MAX], status;
	int result = 0;

	if (argc < 2) {
		printf("usage: together COMMAND...; quote commands that have arguments\n");
		return STATUS_USAGE;
	}
	for (int i = 1; i < argc; i++)
		ids[i - 1] = start(argv[i]);
	for (int i = 1; i < argc; i++) {
		if (ids[i - 1] >= 0) /* the first that still runs has the keys */
			sys_console_give(ids[i - 1]);
		status = ids[i - 1] < 0 ? STATUS_ERROR : sys_env_wait(ids[i - 1]);
		if (status < 0 || status == ENV_WAIT_KILLED)
			status = STATUS_ERROR;
		if (!result)
			result = status;
	}
	return result;
}
