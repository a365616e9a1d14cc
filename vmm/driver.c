#include "vmm/vmm.h"

#include "inc/x86.h"
#include "kern/env.h"

/*
 * What the kernel tells a vCPU about the Env that drives it.  These functions call nothing but the
 * accounts, so that the scheduler and recalls may call them.
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
