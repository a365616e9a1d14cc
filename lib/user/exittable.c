#include "lib/user/exittable.h"

#include "lib/user/user.h"

static uint64_t
mean(uint64_t sum, uint64_t count)
{
	return count ? (sum + count / 2) / count : 0;
}

/* part/whole in tenths of a percent, rounded. */
static unsigned int
permille(uint64_t part, uint64_t whole)
{
	return whole ? mean(part * 1000, whole) : 0;
}

static void
print_row(const char *reason, const char *name, uint64_t count, uint64_t total, uint64_t cycles)
{
	unsigned int share = permille(count, total);

	printf("%6s  %-24s %12lu %5u.%u %% %16lu %10lu\n", reason, name, count, share / 10,
	       share % 10, cycles, mean(cycles, count));
}

void
exit_table_print(const struct vm_stats *stats)
{
	printf("%6s  %-24s %12s %9s %16s %10s\n", "reason", "exit", "count", "share", "cycles",
	       "mean");
	/* The kinds stand in the order of their reasons. */
	for (unsigned int kind = 0; kind < HV_EXIT_KINDS; kind++) {
		unsigned int number = hv_exit_reason(kind);
		char reason[8] = "?";

		if (!stats->count[kind])
			continue;
		if (number != HV_REASON_NONE)
			snprintf(reason, sizeof reason, "%u", number);
		print_row(reason, hv_exit_name(kind), stats->count[kind], stats->total,
		          stats->cycles[kind]);
	}
	print_row("", "total", stats->total, stats->total, stats->total_cycles);
	printf("Cycles are TSC ticks from the exit to the next entry, or to where the vCPU stops "
	       "running.\n");
	if (stats->vmreads)
		printf("VMREADs: %lu, VMWRITEs: %lu.\n", stats->vmreads, stats->vmwrites);
}
