#include "lib/user/user.h"

#include "inc/memlayout.h"
#include "inc/x86.h"
#include "lib/compute.h"

/*
 * The same work in user space and in a guest, side by side: measures here, then runs a VM
 * whose guest measures too and prints both.
 */

#define MEMORY ((uint64_t *)UVM_RAM)

static uint64_t (*const kernels[COMPUTE_KERNELS])(uint64_t *mem) = {
#define X(name, text) [COMPUTE_##name] = compute_##name,
        COMPUTE_TABLE(X)
#undef X
};

/* Ticks of the second run: the first one touches the memory. */
static uint64_t
measure(uint64_t (*kernel)(uint64_t *mem), uint64_t *result)
{
	uint64_t from;

	kernel(MEMORY);
	from = rdtsc();
	*result += kernel(MEMORY);
	return rdtsc() - from;
}

/* The guest's command, with our ticks and the sum of the results. */
static void
measure_all(char *command, size_t size)
{
	uint64_t result = 0;
	int used = snprintf(command, size, "efficiency");

	for (unsigned int i = 0; i < COMPUTE_KERNELS; i++)
		used += snprintf(command + used, size - used, " %lu", measure(kernels[i], &result));
	snprintf(command + used, size - used, " %lu", result);
}

int
main(int argc, char **argv)
{
	static char command[128];
	char *const vm[] = {"vm", "guest", "-q", "-m", "80M", "-c", command};
	long err;

	if (argc != 1) {
		printf("usage: %s\n", argv[0]);
		return 2;
	}
	err = sys_mem_map(MEMORY, COMPUTE_WORDS * sizeof(uint64_t));
	if (err == 0) {
		measure_all(command, sizeof command);
		err = sys_mem_unmap(MEMORY, COMPUTE_WORDS * sizeof(uint64_t));
	}
	if (err == 0)
		err = sys_spawn(vm[0], vm, ARRAY_SIZE(vm));
	if (err >= 0) {
		sys_console_give(err);
		err = sys_env_wait(err);
	}
	if (err < 0)
		printf("efficiency: %s\n", error_text(err));
	return err < 0 || err == ENV_WAIT_KILLED ? 1 : err;
}
