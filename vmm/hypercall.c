#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "vmm/gmem.h"

/* Hypercalls (enum vm_hypercall in inc/vm.h).  A guest's user mode may make them too. */

static enum hv_action
answer(struct vcpu *v, uint64_t result)
{
	v->guest.gpr[REG_RAX] = result;
	return HV_SKIP;
}

static enum hv_action
version(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	return answer(v, NESTLING_HV_VERSION);
}

/* Hands a text to the monitor in one piece, instead of one exit for each character. */
static enum hv_action
console_write(struct vcpu *v, struct hv_exit *x)
{
	uint64_t count = v->guest.gpr[REG_RCX];
	struct gmem_fault f;

	(void)x;
	if (count > VM_IO_BYTES)
		return answer(v, (uint64_t)-E_INVAL);
	if (gmem_read(v, v->guest.gpr[REG_RBX], v->data, count, &f) < 0)
		return answer(v, (uint64_t)-E_FAULT);
	v->run->exit = VM_EXIT_CONSOLE;
	v->run->console.count = (uint32_t)count;
	return answer(v, 0) | HV_USER;
}

static enum hv_action
counters(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	v->guest.gpr[REG_RBX] = v->acct.vmreads;
	v->guest.gpr[REG_RCX] = v->acct.vmwrites;
	return answer(v, v->acct.total);
}

static enum hv_action
yield(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	return answer(v, 0) | HV_YIELD;
}

static const exit_handler_t calls[] = {
        [HC_VERSION] = version,
        [HC_CONSOLE_WRITE] = console_write,
        [HC_COUNTERS] = counters,
        [HC_YIELD] = yield,
};

enum hv_action
exit_hypercall(struct vcpu *v, struct hv_exit *x)
{
	uint64_t number = v->guest.gpr[REG_RAX];

	if (number < ARRAY_SIZE(calls) && calls[number])
		return calls[number](v, x);
	return answer(v, (uint64_t)-E_NO_SYS);
}
