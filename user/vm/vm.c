#include "user/vm/machine.h"

/*
 * The monitor of a VM.  The kernel runs the guest and this program does the
 * rest: it owns the guest's RAM, models its devices, and decides when it ends.
 * The exit status is the guest's, or one of ours when the VM failed.
 */

static struct machine machine;

int
main(int argc, char **argv)
{
	struct options options;
	int status;

	if (!options_parse(&options, argc, argv))
		return STATUS_USAGE;
	if (options.break_name && !strcmp(options.break_name, BREAK_LIST))
		return break_list();
	status = machine_create(&machine, &options);
	if (status != STATUS_OK)
		return status;
	if (options.commands) {
		terminal_type(&machine.term, options.commands);
		terminal_type(&machine.term, "\npoweroff\n");
	}
	job_join(&machine);
	report_start(&machine);
	run_machine(&machine);
	report_end(&machine);
	sys_vm_destroy(machine.vm);
	return machine.status;
}
