#include "user/exits/exits.h"

int
say_error(const struct options *o, long err)
{
	static struct vm_stats stats;

	if (err == -E_INVAL && sys_vm_stats(o->vm, VM_ALL_VCPUS, &stats) == 0)
		printf("exits: VM %u has no vCPU %u: it has %u, numbered from 0\n", stats.id,
		       o->vcpu, stats.vcpus);
	else if (o->vm)
		printf("exits: VM %u: %s; `vms` lists the VMs\n", o->vm, error_text(err));
	else
		printf("exits: no VM has run; start one, such as `vm guest`\n");
	return STATUS_ERROR;
}

static void
print(const struct options *o, const struct vm_stats *stats, const char *what)
{
	char whose[16] = "";

	if (o->vcpu != VM_ALL_VCPUS)
		snprintf(whose, sizeof whose, " of vCPU %u", o->vcpu);
	if (!o->tsv)
		printf("VM %u, %s%s: exits%s%s\n", stats->id, stats->name,
		       stats->live ? "" : " (it has ended)", whose, what);
	table_print(o, stats);
	times_print(o, stats);
}

/* A look at all vCPUs is what the next --since-last goes by. */
static int
show_table(const struct options *o)
{
	static struct vm_stats now, before;
	long err = o->vcpu == VM_ALL_VCPUS ? sys_vm_mark(o->vm, &now, &before)
	                                   : sys_vm_stats(o->vm, o->vcpu, &now);

	if (err < 0)
		return say_error(o, err);
	if (o->since_last)
		stats_subtract(&now, &before);
	print(o, &now, o->since_last ? " since the last look" : "");
	return STATUS_OK;
}

static int
show_live(const struct options *o)
{
	static struct vm_stats now, before, shown;

	do {
		long err = sys_vm_stats(o->vm, o->vcpu, &now);

		if (err < 0)
			return say_error(o, err);
		shown = now;
		stats_subtract(&shown, &before);
		printf("\033[H\033[J"); /* a clean screen */
		print(o, &shown, before.id ? " of the last second; any key ends" : " so far");
		before = now;
	} while (!key_within_a_second());
	return STATUS_OK;
}

int
main(int argc, char **argv)
{
	struct options o;

	if (!options_parse(&o, argc, argv))
		return STATUS_USAGE;
	if (!o.vm)
		o.vm = vm_newest();
	switch (o.view) {
	case VIEW_HISTOGRAM:
		return histogram_print(&o);
	case VIEW_KEYS:
		return keys_print(&o);
	case VIEW_LIVE:
		return show_live(&o);
	case VIEW_TABLE:
		break;
	}
	return show_table(&o);
}
