#include "vmm/vmm.h"

#include "inc/error.h"

/* Hypercalls (enum vm_hypercall in inc/vm.h).  A guest's user mode may make them too. */

static enum hv_action
answer(struct vcpu *v, uint64_t result)
{
	v->gpr[REG_RAX] = result;
	return HV_SKIP;
}

/* The text goes to the monitor in one piece: that is what a paravirtual console saves. */
static enum hv_action
console_write(struct vcpu *v, const struct hv_exit *x)
{
	uint64_t count = v->gpr[REG_RCX];
	struct gmem_fault f;

	if (count > VM_IO_BYTES)
		return answer(v, (uint64_t)-E_INVAL);
	if (gmem_read(v, v->gpr[REG_RBX], v->data, count, &f) < 0)
		return answer(v, (uint64_t)-E_FAULT);
	v->run->exit = VM_EXIT_CONSOLE;
	v->run->console.count = (uint32_t)count;
	answer(v, 0);
	hv->skip(v, x);
	return HV_USER;
}

static enum hv_action
counters(struct vcpu *v)
{
	v->gpr[REG_RBX] = v->vmreads;
	v->gpr[REG_RCX] = v->vmwrites;
	return answer(v, v->acct.total);
}

enum hv_action
exit_hypercall(struct vcpu *v, struct hv_exit *x)
{
	switch (v->gpr[REG_RAX]) {
	case HC_VERSION:
		return answer(v, NESTLING_HV_VERSION);
	case HC_CONSOLE_WRITE:
		return console_write(v, x);
	case HC_COUNTERS:
		return counters(v);
	}
	return answer(v, (uint64_t)-E_NO_SYS);
}
