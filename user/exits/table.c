#include "user/exits/exits.h"

/* The table of exits: a row for each kind that happened, and the total. */

struct row {
	enum hv_exit_kind kind;
	uint64_t cost;
};

static void
sort(struct row *rows, size_t count)
{
	for (size_t i = 1; i < count; i++)
		for (size_t at = i; at && rows[at].cost > rows[at - 1].cost; at--) {
			struct row swap = rows[at];

			rows[at] = rows[at - 1];
			rows[at - 1] = swap;
		}
}

static void
reason_text(char *text, size_t size, enum hv_exit_kind kind)
{
	unsigned int reason = hv_exit_reason(kind);

	if (reason == HV_REASON_NONE)
		strlcpy(text, "?", size);
	else
		snprintf(text, size, "%u", reason);
}

/* An unknown min or max is 0. */
static void
print_limit(uint64_t value)
{
	if (value)
		printf(" %9lu", value);
	else
		printf(" %9s", "-");
}

static void
print_row(const struct vm_stats *stats, enum hv_exit_kind kind)
{
	unsigned int share = permille(stats->count[kind], stats->total);
	char reason[8];

	reason_text(reason, sizeof reason, kind);
	printf("%6s %-18s %10lu %3u.%u %14lu %7lu", reason, hv_exit_name(kind), stats->count[kind],
	       share / 10, share % 10, stats->cycles[kind],
	       mean(stats->cycles[kind], stats->count[kind]));
	print_limit(stats->min[kind]);
	print_limit(stats->max[kind]);
	printf(" %14lu\n", stats->monitor[kind]);
}

static void
print_for_people(const struct options *o, const struct vm_stats *stats)
{
	struct row rows[HV_EXIT_KINDS];
	uint64_t monitor = 0;
	size_t count = 0;

	for (enum hv_exit_kind kind = 0; kind < HV_EXIT_KINDS; kind++) {
		monitor += stats->monitor[kind];
		if (stats->count[kind])
			rows[count++] =
			        (struct row){kind, stats->cycles[kind] + stats->monitor[kind]};
	}
	if (o->top)
		sort(rows, count);
	printf("%6s %-18s %10s %5s %14s %7s %9s %9s %14s\n", "reason", "exit", "count", "%",
	       "cycles", "mean", "min", "max", "monitor");
	for (size_t i = 0; i < count; i++)
		print_row(stats, rows[i].kind);
	printf("%6s %-18s %10lu %5s %14lu %7lu %9s %9s %14lu\n", "", "total", stats->total, "100.0",
	       stats->total_cycles, mean(stats->total_cycles, stats->total), "", "", monitor);
}

static void
print_tsv_row(const char *reason, const char *name, const struct vm_stats *stats,
              enum hv_exit_kind kind)
{
	printf("%s\t%s\t%lu\t%lu\t%lu\t%lu\t%lu\n", reason, name, stats->count[kind],
	       stats->cycles[kind], stats->min[kind], stats->max[kind], stats->monitor[kind]);
}

/* Every reason has a row, also those that the manual leaves out, so that tables can be joined. */
static void
print_tsv(const struct vm_stats *stats)
{
	uint64_t monitor = 0;

	printf("reason\tname\tcount\tcycles\tmin\tmax\tmonitor\n");
	for (unsigned int reason = 0; reason <= HV_REASON_MAX; reason++) {
		enum hv_exit_kind kind = hv_exit_kind_of(reason);
		char text[8];

		snprintf(text, sizeof text, "%u", reason);
		if (kind < HV_EXIT_KINDS)
			print_tsv_row(text, hv_exit_name(kind), stats, kind);
		else
			printf("%u\t-\t0\t0\t0\t0\t0\n", reason);
	}
	print_tsv_row("-", hv_exit_name(HV_EXIT_UNKNOWN), stats, HV_EXIT_UNKNOWN);
	for (enum hv_exit_kind kind = 0; kind < HV_EXIT_KINDS; kind++)
		monitor += stats->monitor[kind];
	printf("-\ttotal\t%lu\t%lu\t0\t0\t%lu\n", stats->total, stats->total_cycles, monitor);
}

void
table_print(const struct options *o, const struct vm_stats *stats)
{
	if (o->tsv)
		print_tsv(stats);
	else
		print_for_people(o, stats);
}

void
stats_subtract(struct vm_stats *now, const struct vm_stats *before)
{
	for (enum hv_exit_kind kind = 0; kind < HV_EXIT_KINDS; kind++) {
		now->count[kind] -= before->count[kind];
		now->cycles[kind] -= before->cycles[kind];
		now->monitor[kind] -= before->monitor[kind];
		if (before->count[kind])
			now->min[kind] = now->max[kind] = 0;
	}
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		now->time[t] -= before->time[t];
	now->wall -= before->wall;
	now->total -= before->total;
	now->total_cycles -= before->total_cycles;
	now->vmreads -= before->vmreads;
	now->vmwrites -= before->vmwrites;
}
