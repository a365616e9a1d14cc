#include "lib/user/user.h"

#include "lib/user/parse.h"

/*
 * Prints the flight recorder of a VM, or of all that there are: the last exits, the oldest first.
 * For programs, all that a timeline needs.
 */

struct options {
	uint32_t vm;
	bool all, tsv;
	uint64_t vcpu;  /* or VM_ALL_VCPUS */
	uint64_t count; /* of exits, at most */
};

static const char *const state_names[VM_TIMES] = {
        [VM_TIME_GUEST] = "guest",   [VM_TIME_HANDLER] = "handler", [VM_TIME_MONITOR] = "monitor",
        [VM_TIME_HALTED] = "halted", [VM_TIME_PAUSED] = "paused",   [VM_TIME_WAITING] = "waiting",
};

static int
usage(void)
{
	printf("usage: trace [VM | --all] [--vcpu N] [-n COUNT] [--tsv]\n"
	       "  VM        its number; if not given, the newest, or the one that ended last\n"
	       "  --all     all VMs that live, and the last %d that ended\n"
	       "  --vcpu N  of its vCPUs that one; if not given, one after the other\n"
	       "  -n COUNT  no more than the last COUNT exits\n"
	       "  --tsv     columns separated by tabs, for programs, with where the time away "
	       "went\n",
	       VM_KEPT);
	return 2;
}

static void
print(const struct vm_trace *t, bool tsv)
{
	char key[24] = "-";

	if (t->key != VM_KEY_NONE)
		snprintf(key, sizeof key, "%#lx", t->key);
	printf(tsv ? "%lu\t%lu\t%s\t%#x\t%#lx\t%#lx\t%s\t%s\t%u\t%lu"
	           : "%8lu %14lu %-18s %#10x %#18lx %#18lx %12s %-7s %8u %10lu\n",
	       t->number, t->tsc, hv_exit_name(t->kind), t->raw, t->rip, t->qual, key,
	       hv_action_name(t->action), t->cycles, t->away);
}

/* For programs: whose exits follow, and what the accounts say of them. */
static void
print_head(const struct vm_stats *stats, bool tsv)
{
	struct sys_info info;
	char whose[16] = "";

	if (!tsv) {
		if (stats->vcpus > 1)
			snprintf(whose, sizeof whose, " of vCPU %u", stats->vcpu);
		printf("VM %u, %s%s: exits%s\n", stats->id, stats->name,
		       stats->live ? "" : " (it has ended)", whose);
		printf("%8s %14s %-18s %10s %18s %18s %12s %-7s %8s %10s\n", "number", "tsc",
		       "exit", "raw", "rip", "qualification", "key", "action", "cycles", "away");
		return;
	}
	sys_sys_info(&info);
	printf("vm\tvcpus\tvcpu\tname\thz\texits\twall");
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		printf("\t%s", state_names[t]);
	printf("\n%u\t%u\t%u\t%s\t%lu\t%lu\t%lu", stats->id, stats->vcpus, stats->vcpu, stats->name,
	       info.tsc_hz, stats->total, stats->wall);
	for (enum vm_time t = 0; t < VM_TIMES; t++)
		printf("\t%lu", stats->time[t]);
	printf("\nnumber\ttsc\texit\traw\trip\tqualification\tkey\taction\tcycles\taway\tspent\n");
}

/*
 * The spans, in their order.  Those that come `known` exits after the beginning or later have not
 * been given up; of what was away before, nobody knows what it was.
 */
struct cursor {
	uint32_t vm, vcpu;
	uint64_t number, known;
};

static bool
peek_span(struct cursor *c, struct vm_span *span)
{
	if (sys_vm_span(c->vm, c->vcpu, c->number, span) < 0)
		return false;
	if (span->number != c->number) {
		c->number = span->number;
		c->known = span->exits + 1;
	}
	return true;
}

static void
print_part(const char *state, uint64_t ticks, const char **separator)
{
	if (!ticks)
		return;
	printf("%s%s:%lu", *separator, state, ticks);
	*separator = ",";
}

/* How the ticks between an exit's handler and the next entry were spent. */
static void
print_spent(struct cursor *c, const struct vm_trace *t)
{
	uint64_t from = t->tsc + t->cycles, to = from + t->away, exits = t->number + 1;
	const char *separator = "\t";
	struct vm_span span;

	while (peek_span(c, &span) && span.exits <= exits) {
		c->number++;
		if (span.exits < c->known || span.exits < exits)
			continue;
		print_part(state_names[VM_TIME_MONITOR], span.tsc - from, &separator);
		print_part(state_names[span.state], span.ticks, &separator);
		from = span.tsc + span.ticks;
	}
	print_part(exits < c->known ? "away" : state_names[VM_TIME_MONITOR], to - from, &separator);
	printf(t->away ? "\n" : "\t-\n");
}

/* What came before the first exit, as a row without one. */
static void
print_start(struct cursor *c)
{
	const char *separator = "\t";
	struct vm_span span;
	uint64_t ticks = 0;

	if (!peek_span(c, &span) || c->known)
		return;
	printf("-\t%lu\t-\t0\t0\t0\t-\t-\t0", span.tsc);
	for (uint64_t n = 0; sys_vm_span(c->vm, c->vcpu, n, &span) == 0 && !span.exits; n++)
		ticks += span.ticks;
	printf("\t%lu", ticks);
	for (; peek_span(c, &span) && !span.exits; c->number++)
		print_part(state_names[span.state], span.ticks, &separator);
	printf("\n");
}

/* The VM may go on meanwhile. */
static void
show_vcpu(const struct options *o, const struct vm_stats *stats)
{
	uint64_t total = stats->total;
	uint64_t from = total > o->count ? total - o->count : 0;
	struct cursor cursor = {.vm = stats->id, .vcpu = stats->vcpu};
	struct vm_trace trace;

	print_head(stats, o->tsv);
	while (from < total && sys_vm_trace(stats->id, stats->vcpu, from, &trace) == 0) {
		if (o->tsv && trace.number == 0)
			print_start(&cursor);
		print(&trace, o->tsv);
		if (o->tsv)
			print_spent(&cursor, &trace);
		from = trace.number + 1;
	}
}

/* Those of its vCPUs that are asked for; negative: none is. */
static long
show_vm(const struct options *o, uint32_t vm)
{
	uint32_t vcpu = o->vcpu == VM_ALL_VCPUS ? 0 : o->vcpu;
	struct vm_stats stats;
	long err;

	while ((err = sys_vm_stats(vm, vcpu, &stats)) == 0) {
		vm = stats.id; /* whatever ends meanwhile */
		show_vcpu(o, &stats);
		if (o->vcpu != VM_ALL_VCPUS || ++vcpu == stats.vcpus)
			break;
	}
	return err;
}

static int
show_all(const struct options *o)
{
	struct vm_info info;

	for (unsigned int n = VM_KEPT; n-- > 0;)
		show_vm(o, VM_ENDED(n));
	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		show_vm(o, info.id);
	return 0;
}

static int
show_one(const struct options *o)
{
	uint32_t vm = o->vm ? o->vm : vm_newest();
	struct vm_stats stats;
	long err = show_vm(o, vm);

	if (err == 0)
		return 0;
	if (err == -E_INVAL && sys_vm_stats(vm, VM_ALL_VCPUS, &stats) == 0)
		printf("trace: VM %u has no vCPU %lu: it has %u, numbered from 0\n", stats.id,
		       o->vcpu, stats.vcpus);
	else if (vm)
		printf("trace: VM %u: %s; `vms` lists the VMs\n", vm, error_text(err));
	else
		printf("trace: no VM has run; start one, such as `vm guest`\n");
	return 1;
}

int
main(int argc, char **argv)
{
	struct options o = {.vcpu = VM_ALL_VCPUS, .count = UINT64_MAX};
	uint64_t vm;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--tsv"))
			o.tsv = true;
		else if (!strcmp(argv[i], "--all") && !o.vm)
			o.all = true;
		else if (!strcmp(argv[i], "--vcpu") && i + 1 < argc &&
		         parse_number(argv[i + 1], VM_VCPUS_MAX - 1, &o.vcpu))
			i++;
		else if (!strcmp(argv[i], "-n") && i + 1 < argc &&
		         parse_number(argv[i + 1], UINT32_MAX, &o.count))
			i++;
		else if (!o.all && !o.vm && parse_number(argv[i], UINT32_MAX, &vm) && vm)
			o.vm = vm;
		else
			return usage();
	}
	return o.all ? show_all(&o) : show_one(&o);
}
