#include "vmm/vmm.h"

#include "inc/x86.h"
#include "kern/env.h"
#include "vmm/debug.h"

/*
 * What the scheduler and recalls tell a vCPU about the Env that drives it, and ask it.  These
 * functions call nothing but the accounts, so that all of the kernel may call them.
 */

void
vcpu_is_due(struct vcpu *v)
{
	vcpu_request(v, REQ_KICK);
}

void
vcpu_recalled(struct vcpu *v)
{
	vcpu_request(v, REQ_RECALL);
}

void
vcpu_waits(struct vcpu *v)
{
	if (v->acct.state != VM_TIME_WAITING)
		acct_switch(&v->acct, VM_TIME_WAITING, rdtsc());
}

/* If the Env goes on in guest mode, v's time counts as waiting until the entry: a switch of Envs is
 * not the guest's. */
void
vcpu_has_cpu(struct vcpu *v)
{
	if (!v->env->guest)
		acct_switch(&v->acct, VM_TIME_MONITOR, rdtsc());
}

uint32_t
vcpu_vm_id(const struct vcpu *v)
{
	return v->vm->id;
}

void
vcpu_look(const struct vcpu *v, struct vcpu_view *view)
{
	*view = (struct vcpu_view){
	        .vm = v->vm->id,
	        .name = v->vm->name,
	        .root = v->vm->npt.root,
	        .block = hv->debug->block_pa(v),
	        .exits = v->acct.total,
	        .exit_tsc = v->acct.exit->tsc,
	        .load_text = hv->debug->load_text,
	        .put_text = hv->debug->put_text,
	};
}
