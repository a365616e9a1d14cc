#include "user/exits/exits.h"

/* Where the time went, and the memory. */

static const char *const names[VM_TIMES] = {
        [VM_TIME_GUEST] = "guest",   [VM_TIME_HANDLER] = "handler", [VM_TIME_MONITOR] = "monitor",
        [VM_TIME_HALTED] = "halted", [VM_TIME_PAUSED] = "paused",   [VM_TIME_WAITING] = "waiting",
};

static void
print_row(const char *name, uint64_t ticks, uint64_t wall)
{
	unsigned int share = permille(ticks, wall);

	printf("%6s %-18s %10s %3u.%u %14lu\n", "", name, "", share / 10, share % 10, ticks);
}

static void
print_tsv(const struct vm_stats *stats)
{
	printf("\ntime\tticks\n");
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		printf("%s\t%lu\n", names[t], stats->time[t]);
	printf("wall\t%lu\n", stats->wall);
	printf("\nmemory\tpages\ntables\t%lu\n", stats->table_pages);
}

void
times_print(const struct options *o, const struct vm_stats *stats)
{
	if (o->tsv) {
		print_tsv(stats);
		return;
	}
	printf("%6s %-18s %10s %5s %14s\n", "", "time", "", "%", "ticks");
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		print_row(names[t], stats->time[t], stats->wall);
	print_row("wall", stats->wall, stats->wall);
	if (stats->vmreads)
		printf("VMREADs: %lu, VMWRITEs: %lu.\n", stats->vmreads, stats->vmwrites);
	printf("Page tables: %lu KiB.\n", stats->table_pages * 4);
	printf("Cycles, monitor and ticks are the TSC's; under an emulator, the emulator's.\n");
}
