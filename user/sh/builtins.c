#include "user/sh/sh.h"

#include "inc/x86.h"
#include "lib/user/parse.h"

/* What the shell does itself. */

enum { CTRL_C = 'C' & 31 };

static int builtin_exit(int argc, char **argv);
static int builtin_help(int argc, char **argv);
static int builtin_kill(int argc, char **argv);
static int builtin_status(int argc, char **argv);
static int builtin_wait(int argc, char **argv);

static const struct builtin {
	const char *name, *args, *text;
	int (*run)(int argc, char **argv);
} builtins[] = {
        {"exit", "[STATUS]", "leave the shell; STATUS is that of the last command if not given",
         builtin_exit},
        {"help", "", "show this list", builtin_help},
        {"kill", "PROCESS", "end a process, named as `ps` shows it, that this shell has started",
         builtin_kill},
        {"status", "", "print the status of the last command", builtin_status},
        {"wait", "", "wait until no job runs in the background, or for Ctrl-C", builtin_wait},
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
	printf("Commands are separated by `;`.  `&` behind one runs it in the background.\n"
	       "Of the shell itself:\n");
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++)
		print_help(builtins[i].name, builtins[i].args, builtins[i].text);
	vm_help(print_help);
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

/* Not at once while there are jobs, since they end with us. */
static int
builtin_exit(int argc, char **argv)
{
	static unsigned int warned_of;
	uint64_t status = last_status;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], UINT8_MAX, &status))) {
		printf("usage: exit [STATUS], STATUS from 0 to %d\n", UINT8_MAX);
		return STATUS_USAGE;
	}
	leaving = jobs_running() <= warned_of;
	warned_of = jobs_running();
	if (!leaving)
		printf("sh: %u job%s in the background; `exit` again ends %s\n", warned_of,
		       warned_of == 1 ? "" : "s", warned_of == 1 ? "it" : "them");
	return status;
}

static int
builtin_kill(int argc, char **argv)
{
	char *end = NULL;
	uint64_t id = argc == 2 ? strtoul(argv[1], &end, 16) : 0;

	if (!id || *end || id > UINT32_MAX) {
		printf("usage: kill PROCESS, an ID as `ps` shows it\n");
		return STATUS_USAGE;
	}
	if (sys_env_kill(id) == 0)
		return 0;
	printf("kill: %lx: no such process, or not started from here; `ps` lists them\n", id);
	return STATUS_ERROR;
}

static int
builtin_wait(int argc, char **argv)
{
	char key;
	long n;

	(void)argc;
	(void)argv;
	while (jobs_running()) {
		n = sys_console_read(&key, 1, CONSOLE_WAIT_CHILD);
		if (n == 1 && key == CTRL_C) {
			printf("^C\n");
			return STATUS_INTERRUPTED;
		}
		if (n == -E_AGAIN)
			jobs_news();
	}
	return jobs_failure();
}

bool
builtin_run(int argc, char **argv, int *status)
{
	for (size_t i = 0; i < ARRAY_SIZE(builtins); i++) {
		if (strcmp(argv[0], builtins[i].name))
			continue;
		*status = builtins[i].run(argc, argv);
		return true;
	}
	return false;
}
