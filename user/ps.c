#include "lib/user/user.h"

/* Where a process stands, and what it used. */

static const char *const states[] = {
        [ENV_FREE] = "free",       [ENV_RUNNABLE] = "runnable", [ENV_RUNNING] = "running",
        [ENV_BLOCKED] = "blocked", [ENV_ZOMBIE] = "zombie",
};

int
main(int argc, char **argv)
{
	struct env_info info;

	(void)argc;
	(void)argv;
	printf("%8s %8s  %-8s %4s %8s %8s %12s  %s\n", "ID", "PARENT", "STATE", "VM", "RUNS", "KiB",
	       "TICKS", "NAME");
	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++) {
		printf("%8x %8x  %-8s ", info.id, info.parent, states[info.status]);
		if (info.vm)
			printf("%4u", info.vm);
		else
			printf("%4s", "-");
		printf(" %8lu %8lu %12lu  %s\n", info.runs, info.pages * 4, info.ticks, info.name);
	}
	return 0;
}
