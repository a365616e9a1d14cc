#include "lib/user.h"

#include "lib/parse.h"

/* Prints a VM's flight recorder: its last exits, the oldest first. */

static int
usage(void)
{
	printf("usage: trace [VM] [-n COUNT] [--tsv]\n"
	       "  VM        its number; if not given, the newest, or the one that ended last\n"
	       "  -n COUNT  no more than the last COUNT exits\n"
	       "  --tsv     columns separated by tabs, for programs\n");
	return 2;
}

static void
print(const struct vm_trace *t, bool tsv)
{
	char key[24] = "-";

	if (t->key != VM_KEY_NONE)
		snprintf(key, sizeof key, "%#lx", t->key);
	printf(tsv ? "%lu\t%lu\t%s\t%#x\t%#lx\t%#lx\t%s\t%s\t%u\t%lu\n"
	           : "%8lu %14lu %-18s %#10x %#18lx %#18lx %12s %-7s %8u %10lu\n",
	       t->number, t->tsc, hv_exit_name(t->kind), t->raw, t->rip, t->qual, key,
	       hv_action_name(t->action), t->cycles, t->away);
}

static void
print_head(bool tsv)
{
	printf(tsv ? "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n"
	           : "%8s %14s %-18s %10s %18s %18s %12s %-7s %8s %10s\n",
	       "number", "tsc", "exit", "raw", "rip", "qualification", "key", "action", "cycles",
	       "away");
}

int
main(int argc, char **argv)
{
	uint64_t vm = vm_newest(), count = UINT64_MAX, from = 0;
	struct vm_stats stats;
	struct vm_trace trace;
	bool tsv = false;
	long err;

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--tsv"))
			tsv = true;
		else if (!strcmp(argv[i], "-n") && i + 1 < argc &&
		         parse_number(argv[i + 1], UINT32_MAX, &count))
			i++;
		else if (!parse_number(argv[i], UINT32_MAX, &vm))
			return usage();
	}
	err = sys_vm_stats(vm, &stats);
	if (err < 0) {
		if (vm)
			printf("trace: VM %lu: %s; `vms` lists the VMs\n", vm, error_text(err));
		else
			printf("trace: no VM has run; start one, such as `vm guest`\n");
		return 1;
	}
	if (stats.total > count)
		from = stats.total - count;
	print_head(tsv);
	/* The VM may go on meanwhile. */
	while (from < stats.total && sys_vm_trace(vm, 0, from, &trace) == 0) {
		print(&trace, tsv);
		from = trace.number + 1;
	}
	return 0;
}
