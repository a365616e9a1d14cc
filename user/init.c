#include "lib/user/user.h"

#include "inc/x86.h"
#include "lib/user/parse.h"

/*
 * The first process.  With `run=COMMANDS` at the end of the kernel's command
 * line it runs these and ends the machine with their status; without, it
 * starts shells, the first with our guest.
 */

/* Runs a program to its end; its status, or a negative error when it could not start. */
static int
run(int argc, char *const *argv)
{
	long id = sys_spawn(argv[0], argv, argc);

	if (id < 0) {
		printf("init: %s: %s\n", argv[0], error_text(id));
		return id;
	}
	sys_console_give(id);
	return sys_env_wait(id);
}

static int
run_commands(const char *commands)
{
	char *argv[] = {"sh", "-c", (char *)commands};
	int status = run(3, argv);

	return status >= 0 && status < ENV_WAIT_KILLED ? status : 1;
}

static void
run_shells(void)
{
	char *argv[] = {"sh", "-i", "vm guest"};
	int argc = ARRAY_SIZE(argv), status;

	for (; (status = run(argc, argv)) >= 0; argc = 1)
		printf("init: the shell ended with status %d; here is another (`poweroff` ends the "
		       "machine)\n",
		       status);
}

int
main(int argc, char **argv)
{
	char cmdline[CMDLINE_MAX] = "";
	const char *commands;
	int status = 1;

	(void)argc;
	(void)argv;
	sys_cmdline(cmdline, sizeof cmdline);
	commands = parse_option_rest(cmdline, "run");
	if (commands)
		status = run_commands(commands);
	else
		run_shells();
	sys_poweroff(status);
	panic("the machine is still on after poweroff");
}
