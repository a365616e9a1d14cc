#include "user/exits/exits.h"

/* Where the time went. */

static const char *const names[VM_TIMES] = {
        [VM_TIME_GUEST] = "guest",   [VM_TIME_HANDLER] = "handler", [VM_TIME_MONITOR] = "monitor",
        [VM_TIME_HALTED] = "halted", [VM_TIME_WAITING] = "waiting",
};

void
times_print(const struct options *o, const struct vm_stats *stats)
{
	if (o->tsv) {
		printf("\ntime\tticks\n");
		for (enum vm_time t = 0; t < VM_TIMES; t++)
			printf("%s\t%lu\n", names[t], stats->time[t]);
		printf("wall\t%lu\n", stats->wall);
		return;
	}
	printf("Time:");
	for (enum vm_time t = 0; t < VM_TIMES; t++) {
		unsigned int share = permille(stats->time[t], stats->wall);

		printf(" %s %lu (%u.%u %%),", names[t], stats->time[t], share / 10, share % 10);
	}
	printf(" wall %lu.\n", stats->wall);
	if (stats->vmreads)
		printf("VMREADs: %lu, VMWRITEs: %lu.\n", stats->vmreads, stats->vmwrites);
	printf("Cycles, time and monitor are TSC ticks; under an emulator, the emulator's.\n");
}
