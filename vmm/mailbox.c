#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/sched.h"

/*
 * Kicks, and the mailbox of a VM: bits that ask its monitor to do something.  The sender sets bits
 * and kicks vCPU 0, so that the monitor looks into the mailbox; the sender does not wait for the
 * monitor.
 */

void
vcpu_kick(struct vcpu *v)
{
	struct cpu *cpu = env_cpu(v->env);

	vcpu_request(v, REQ_KICK);
	if (cpu && cpu != this_cpu())
		cpu_poke(cpu); /* a guest that runs there exits, and looks */
	if (v->env->wait == WAIT_HALT || v->env->wait == WAIT_REQUEST)
		sched_wake(v->env);
}

int64_t
vm_post(struct env *e, uint64_t id, uint64_t requests)
{
	struct vm *vm = vm_by_id(id);
	const struct env *owner = vm ? env_find(vm->owner) : NULL;

	if (!owner || (owner->id != e->leader && !env_descends(owner, e->id)))
		return -E_BAD_VM;
	if (!requests || (requests & ~(uint64_t)VM_REQ_ALL))
		return -E_INVAL;
	/* A new pause or resume replaces an older one. */
	if (requests & (VM_REQ_PAUSE | VM_REQ_RESUME))
		vm->requests &= ~(uint32_t)(VM_REQ_PAUSE | VM_REQ_RESUME);
	vm->requests |= (uint32_t)requests;
	if (vm->vcpu_count)
		vcpu_kick(vm->vcpus[0]);
	return 0;
}

int64_t
vm_requests(struct env *e, uint64_t id, bool wait)
{
	struct vm *vm = vm_of(e, id);
	struct vcpu *v;
	uint32_t requests;

	if (!vm || !vm->vcpu_count || vm->vcpus[0]->env != e)
		return -E_BAD_VM;
	v = vm->vcpus[0];
	if (wait && !vm->requests && !vcpu_requested(v, REQ_KICK)) {
		acct_switch(&v->acct, VM_TIME_PAUSED, rdtsc());
		return -E_AGAIN;
	}
	if (wait)
		vcpu_drop_request(v, REQ_KICK);
	requests = vm->requests;
	vm->requests = 0;
	return requests;
}
