#include "user/vm/machine.h"

/* Entries that are broken on purpose, so that the hardware refuses them and the kernel explains. */

/* Its index; -E_NOT_FOUND. */
static long
find_fault(const char *name)
{
	struct vm_fault fault;
	long err;

	for (unsigned int i = 0; (err = sys_vm_fault(i, &fault)) == 0; i++)
		if (!strcmp(fault.name, name))
			return i;
	return err;
}

bool
fault_known(const char *name)
{
	/* Where there are no VMs, that is what is to be said. */
	if (find_fault(name) != -E_NOT_FOUND)
		return true;
	printf(VM_NAME ": --break %s: no such fault; `" VM_NAME " --break " BREAK_LIST
	               "` shows them\n",
	       name);
	return false;
}

int
fault_list(void)
{
	struct vm_fault fault;
	long err;

	for (unsigned int i = 0; (err = sys_vm_fault(i, &fault)) == 0; i++) {
		if (i == 0)
			printf("%-18s %-24s %18s %18s\n", "FAULT", "FIELD", "CLEARS", "SETS");
		printf("%-18s %-24s %#18lx %#18lx\n", fault.name, fault.field, fault.clear,
		       fault.set);
	}
	if (err == -E_NOT_FOUND)
		return STATUS_OK;
	printf(VM_NAME ": --break: %s\n", error_text(err));
	return STATUS_ERROR;
}

void
fault_prepare(struct machine *m)
{
	long err = 0;

	m->runs++;
	if (m->opts.check && m->runs == 1)
		err = sys_vcpu_break(m->vm, m->vcpu, VM_FAULT_CHECK);
	if (m->opts.fault && m->runs == m->opts.break_run)
		err = sys_vcpu_break(m->vm, m->vcpu, find_fault(m->opts.fault));
	if (err < 0)
		printf(VM_NAME " %u: cannot break an entry: %s\n", m->vm, error_text(err));
}
