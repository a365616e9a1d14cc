#include "lib/user.h"

#include "lib/exittable.h"
#include "lib/parse.h"

/* The VM to show if none is named; 0 when there is none. */
static uint32_t
newest_vm(void)
{
	struct vm_info info;
	uint32_t newest = 0;

	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		if (info.id > newest)
			newest = info.id;
	return newest;
}

int
main(int argc, char **argv)
{
	static struct vm_stats stats;
	uint64_t vm = 0;
	long err;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], UINT32_MAX, &vm))) {
		printf("usage: exits [VM], VM a number as `vms` shows it\n");
		return 2;
	}
	if (argc == 1 && !(vm = newest_vm())) {
		printf("exits: no VM is running; name the one that ended last by its number\n");
		return 1;
	}
	err = sys_vm_stats(vm, &stats);
	if (err < 0) {
		printf("exits: VM %lu: %s; `vms` lists the VMs\n", vm, error_text(err));
		return 1;
	}
	exit_table_print(&stats);
	return 0;
}
