#include "user/vm/machine.h"

/* Entries that are broken on purpose, so that the hardware refuses them and the kernel explains. */

/* The index of the break of that name; -E_NOT_FOUND if there is none. */
static long
find_break(const char *name)
{
	struct vm_break_info info;
	long err;

	for (unsigned int i = 0; (err = sys_vm_break_info(i, &info)) == 0; i++)
		if (!strcmp(info.name, name))
			return i;
	return err;
}

bool
break_known(const char *name)
{
	/* A CPU without VMs has no list of breaks: what creates the VM says that. */
	if (find_break(name) != -E_NOT_FOUND)
		return true;
	printf(VM_NAME ": --break %s: no such break; `" VM_NAME " --break " BREAK_LIST
	               "` shows them\n",
	       name);
	return false;
}

int
break_list(void)
{
	struct vm_break_info info;
	long err;

	for (unsigned int i = 0; (err = sys_vm_break_info(i, &info)) == 0; i++) {
		if (i == 0)
			printf("%-18s %-24s %18s %18s\n", "BREAK", "FIELD", "CLEARS", "SETS");
		printf("%-18s %-24s %#18lx %#18lx\n", info.name, info.field, info.clear, info.set);
	}
	if (err == -E_NOT_FOUND)
		return STATUS_OK;
	printf(VM_NAME ": --break: %s\n", error_text(err));
	return STATUS_ERROR;
}

static void
say_failed(const struct machine *m, long err)
{
	printf(VM_NAME " %u: cannot break an entry: %s\n", m->vm, error_text(err));
}

void
break_check(struct machine *m)
{
	long err = sys_vcpu_break(m->vm, 0, VM_BREAK_CHECK);

	if (err < 0)
		say_failed(m, err);
}

void
break_prepare(struct machine *m)
{
	long err;

	if (++m->runs != m->opts.break_run)
		return;
	err = sys_vcpu_break(m->vm, 0, find_break(m->opts.break_name));
	if (err < 0)
		say_failed(m, err);
}
