#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/compute.h"

/*
 * Compares work without exits in this guest and in the host's user space.  The host's program of
 * the same name runs the work there and gives its ticks to this command.
 */

static const struct {
	const char *name;
	uint64_t (*run)(uint64_t *mem);
} kernels[COMPUTE_KERNELS] = {
#define X(name, text) [COMPUTE_##name] = {#name, compute_##name},
        COMPUTE_TABLE(X)
#undef X
};

enum { ARGS = 1 + COMPUTE_KERNELS + 1 }; /* the name, the host's ticks, its result */

/*
 * Returns the ticks of the second run: the first one touches the memory.  Adds its result to
 * *result.
 */
static uint64_t
measure(unsigned int kernel, uint64_t *mem, uint64_t *result)
{
	uint64_t from;

	kernels[kernel].run(mem);
	from = rdtsc();
	*result += kernels[kernel].run(mem);
	return rdtsc() - from;
}

/* Prints a row with the difference in percent, with its sign and two decimals. */
static void
print_row(const char *name, uint64_t host, uint64_t guest)
{
	bool slower = guest >= host;
	uint64_t part = (slower ? guest - host : host - guest) * 10000 / host;

	printf("%-12s %16lu %16lu %8c%lu.%02lu %%\n", name, host, guest, slower ? '+' : '-',
	       part / 100, part % 100);
}

int
cmd_efficiency(int argc, char **argv)
{
	uint64_t host[COMPUTE_KERNELS], guest[COMPUTE_KERNELS], expected, result = 0;
	uint64_t *mem;

	if (argc != ARGS) {
		printf("efficiency: the host's program of this name runs this: type it to the "
		       "host's shell\n");
		return STATUS_USAGE;
	}
	for (int i = 0; i < COMPUTE_KERNELS; i++)
		if (!arg_number(argc, argv, 1 + i, 0, 1, INT64_MAX / 10000, &host[i]))
			return STATUS_USAGE;
	if (!arg_number(argc, argv, ARGS - 1, 0, 0, UINT64_MAX, &expected))
		return STATUS_USAGE;
	mem = mem_fresh(COMPUTE_WORDS * sizeof(uint64_t) / PAGE_SIZE);
	if (!mem) {
		printf("efficiency: %llu MiB of fresh memory wanted, %lu MiB left\n",
		       COMPUTE_WORDS * sizeof(uint64_t) >> 20, mem_fresh_left() >> 8);
		return STATUS_FAILED;
	}
	for (unsigned int i = 0; i < COMPUTE_KERNELS; i++)
		guest[i] = measure(i, mem, &result);
	printf("efficiency: the same code over %llu MiB, in ticks, after the first touch\n",
	       COMPUTE_WORDS * sizeof(uint64_t) >> 20);
	printf("%-12s %16s %16s %14s\n", "", "host, ring 3", "guest", "difference");
	for (unsigned int i = 0; i < COMPUTE_KERNELS; i++)
		print_row(kernels[i].name, host[i], guest[i]);
	printf("An emulator's ticks are instructions: they do not show that a TLB miss costs a "
	       "guest more.\n");
	check(result == expected, "efficiency: host and guest get the same result");
	return 0;
}
