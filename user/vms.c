#include "lib/user.h"

static const char *const states[] = {
        [VM_READY] = "ready",
        [VM_RUNNING] = "running",
        [VM_HALTED] = "halted",
        [VM_STOPPED] = "stopped",
};

int
main(int argc, char **argv)
{
	struct vm_info info;

	(void)argc;
	(void)argv;
	printf("%4s  %-8s %8s %10s %10s %10s %16s %12s  %s\n", "ID", "STATE", "OWNER", "RAM KiB",
	       "MAPPED KiB", "TABLES KiB", "ROOT", "EXITS", "NAME");
	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		printf("%4u  %-8s %8x %10lu %10lu %10lu %#16lx %12lu  %s\n", info.id,
		       states[info.state], info.owner, info.ram / 1024, info.mapped / 1024,
		       info.table_pages * 4, info.root, info.exits, info.name);
	return 0;
}
