#include "lib/user/user.h"

#include "lib/user/parse.h"

/* All VMs, and what they use: since they began, or within a time. */

enum { STATUS_USAGE = 2, SECONDS_MAX = 3600, SECOND = 1000000 };

struct sample {
	struct vm_info vms[VM_MAX];
	unsigned int count;
};

static const char *const states[] = {
        [VM_READY] = "ready",   [VM_RUNNING] = "running", [VM_HALTED] = "halted",
        [VM_PAUSED] = "paused", [VM_STOPPED] = "stopped",
};

/* In the order of their numbers. */
static void
take_sample(struct sample *s)
{
	struct vm_info info;

	s->count = 0;
	while (s->count < VM_MAX && sys_vm_info(s->count, &info) == 0) {
		unsigned int at = s->count++;

		for (; at && s->vms[at - 1].id > info.id; at--)
			s->vms[at] = s->vms[at - 1];
		s->vms[at] = info;
	}
}

/* The VM as it was then; all zero if it did not exist. */
static struct vm_info
find(const struct sample *s, uint32_t id)
{
	for (unsigned int i = 0; i < s->count; i++)
		if (s->vms[i].id == id)
			return s->vms[i];
	return (struct vm_info){0};
}

static void
print(const struct sample *now, const struct sample *before)
{
	printf("%4s  %-7s %5s %6s %11s %9s %9s %10s %9s %8s %9s %8s  %s\n", "VM", "STATE", "VCPUS",
	       "CPU-%", "EXITS", "RAM-KiB", "USED-KiB", "SHARED-KiB", "TABLE-KiB", "HOST-KiB",
	       "ROOT", "PROCESS", "NAME");
	for (unsigned int i = 0; i < now->count; i++) {
		const struct vm_info *vm = &now->vms[i];
		const struct vm_info was = find(before, vm->id);
		uint64_t wall = vm->wall - was.wall;
		uint64_t share = wall ? (vm->ticks - was.ticks) * 1000 / wall : 0;

		printf("%4u  %-7s %5u %4lu.%lu %11lu %9lu %9lu %10lu %9lu %8lu %9lx %8x  %s\n",
		       vm->id, states[vm->state], vm->vcpus, share / 10, share % 10,
		       vm->exits - was.exits, vm->ram / 1024, vm->mapped / 1024, vm->shared / 1024,
		       vm->table_pages * 4, vm->overhead * 4, vm->root, vm->owner, vm->name);
	}
}

static void
show_live(void)
{
	static struct sample now, before;

	do {
		before = now;
		take_sample(&now);
		printf("\033[H\033[J"); /* a clean screen */
		print(&now, &before);
		printf("CPU and exits of the last second; any key ends.\n");
	} while (!key_within_a_second());
}

int
main(int argc, char **argv)
{
	static struct sample now, before;
	uint64_t seconds = 0;

	if (argc == 2 && !strcmp(argv[1], "--live")) {
		show_live();
		return 0;
	}
	if (argc > 2 || (argc == 2 && !parse_number(argv[1], SECONDS_MAX, &seconds))) {
		printf("usage: vms [SECONDS | --live]\n"
		       "CPU and exits are those since the VM began; or within the next SECONDS; or "
		       "of each\nsecond, until a key is pressed.\n");
		return STATUS_USAGE;
	}
	if (seconds) {
		take_sample(&before);
		sys_env_sleep(seconds * SECOND);
	}
	take_sample(&now);
	print(&now, &before);
	return 0;
}
