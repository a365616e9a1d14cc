#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "lib/string.h"
#include "vmm/load.h"

/* The system calls on virtual CPUs. */

int64_t
vcpu_create(struct env *e, uint64_t id, uint64_t run_va)
{
	struct env *parent = env_find(e->parent);
	bool joins = parent && parent->as == e->as && vm_of(parent, id);
	struct vm *vm = vm_of(joins ? parent : e, id);
	int index;

	if (!vm)
		return -E_BAD_VM;
	if (e->vcpu)
		return -E_EXISTS;
	if (vm->vcpu_count == VM_VCPUS_MAX)
		return -E_LIMIT;
	if (run_va % PAGE_SIZE)
		return -E_INVAL;
	index = vcpu_new(vm, e, run_va);
	if (index >= 0 && joins)
		env_follow(e, parent);
	return index;
}

int64_t
vcpu_kick_own(struct env *e, uint64_t id, uint64_t index)
{
	struct vm *vm = vm_of(e, id);

	if (!vm || index >= vm->vcpu_count)
		return -E_BAD_VM;
	vcpu_kick(vm->vcpus[index]);
	return 0;
}

/* One vCPU less can send INIT.  Wakes one of the vCPUs that only an INIT can wake, so that it looks
 * whether all are dead: see halt_dead(). */
static void
tell_dead(const struct vm *vm)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu *v = vm->vcpus[i];

		if (v->pending.dead_halt && v->env->guest && v->env->wait == WAIT_HALT) {
			sched_wake(v->env);
			return;
		}
	}
}

int64_t
vcpu_wait(struct env *e, uint64_t id, uint64_t index, uint64_t as)
{
	struct vcpu *v = vcpu_of(e, id, index);

	if (!v)
		return -E_BAD_VM;
	if (as != VM_TIME_HALTED && as != VM_TIME_PAUSED)
		return -E_INVAL;
	if (!vcpu_take_request(v, REQ_KICK)) {
		acct_switch(&v->acct, as, rdtsc());
		if (as == VM_TIME_HALTED)
			tell_dead(v->vm);
		return -E_AGAIN;
	}
	return 0;
}

/* The monitor's half of the run page, read once: the monitor may change the page at any time. */
struct request {
	uint64_t deadline;
	uint32_t inject, irq_pending;
};

/* Takes over the interrupt that the monitor injects, and the state of its interrupt line. -E_AGAIN:
 * the guest has not taken the interrupt before that one yet. */
static int
take_interrupt_line(struct vcpu *v, const struct request *r)
{
	if (r->inject & VM_INJECT_VALID) {
		if (vcpu_requested(v, REQ_HELD_IRQ))
			return -E_AGAIN;
		inject_hold_irq(v, (uint8_t)r->inject);
		v->run->inject = 0;
	}
	if (r->irq_pending)
		vcpu_request(v, REQ_IRQ);
	else
		vcpu_drop_request(v, REQ_IRQ);
	return 0;
}

/* vcpu_run() when the monitor asks for something new, or v has requests. */
static SLOW_PATH int64_t
run_with_changes(struct env *e, struct request r)
{
	int err = take_interrupt_line(e->vcpu, &r);

	if (err < 0)
		return err;
	e->guest = true;
	if (r.deadline != e->deadline) {
		spin_lock(&kernel_lock);
		sched_deadline(e, r.deadline);
		spin_unlock(&kernel_lock);
	}
	return vcpu_loop(e);
}

int64_t
vcpu_run(struct env *e, uint64_t id, uint64_t index)
{
	struct vcpu *v = vcpu_of(e, id, index);
	const volatile struct vm_run *run;
	struct request r;

	if (!v)
		return -E_BAD_VM;
	if (v->pending.stopped)
		return -E_INVAL;
	run = v->run;
	r = (struct request){run->deadline, run->inject, run->irq_pending};
	if ((r.inject | r.irq_pending | v->requests) || r.deadline != e->deadline)
		return run_with_changes(e, r);
	e->guest = true;
	return vcpu_loop(e);
}

/*
 * Makes a vCPU of e's VM current: e's own, or one whose Env stands still.  -E_AGAIN: the Env does
 * not stand still.
 */
static int
vcpu_take(struct env *e, uint64_t id, uint64_t index, struct vcpu **out)
{
	struct vm *vm = vm_of(e, id);
	struct vcpu *v = vm && index < vm->vcpu_count ? vm->vcpus[index] : NULL;

	if (!v)
		return -E_BAD_VM;
	if (v != e->vcpu) {
		if (v->env->guest || env_cpu(v->env))
			return -E_AGAIN;
		vcpu_unload(v);
	}
	vcpu_current(v);
	*out = v;
	return 0;
}

/* Ends what vcpu_take() began.  Another Env's vCPU leaves this CPU, since that Env goes on
 * elsewhere. */
static void
vcpu_put_back(const struct env *e, const struct vcpu *v)
{
	if (v != e->vcpu)
		hv_switch_out();
}

int64_t
vcpu_get_regs(struct env *e, uint64_t id, uint64_t index, uint64_t regs_va)
{
	struct vm_regs regs = {0};
	struct vcpu *v;
	int err = vcpu_take(e, id, index, &v);

	if (err < 0)
		return err;
	memcpy(regs.gpr, v->guest.gpr, sizeof(regs.gpr));
	regs.cr2 = v->guest.cr2;
	regs.cr8 = v->guest.cr8;
	regs.dr6 = v->guest.dr6;
	memcpy(regs.dr, v->guest.dr, sizeof(regs.dr));
	hv->get_regs(v, &regs);
	vcpu_put_back(e, v);
	return copy_out(e->as, regs_va, &regs, sizeof(regs));
}

int64_t
vcpu_reset_own(struct env *e, uint64_t id, uint64_t index)
{
	struct vcpu *v;
	int err = vcpu_take(e, id, index, &v);

	if (err < 0)
		return err;
	err = vcpu_reset(v);
	vcpu_put_back(e, v);
	return err;
}

int64_t
vcpu_set_back(struct env *e, uint64_t id, uint64_t index, uint64_t ticks)
{
	struct vcpu *v;
	int err = vcpu_take(e, id, index, &v);

	if (err < 0)
		return err;
	v->guest.tsc_offset -= (int64_t)ticks;
	hv->set_reg(v, HV_TSC_OFFSET, (uint64_t)v->guest.tsc_offset);
	vcpu_put_back(e, v);
	return 0;
}

/*
 * Checks registers that the entry does not check, or that Bochs does not check at the entry
 * although a processor does.  CR3 must fit in the address width.  Long mode must be active if and
 * only if it is enabled and paging is on.  Paging must be on if this CPU cannot run without it.
 */
static bool
regs_valid(const struct vm_regs *r)
{
	const uint64_t efer = EFER_SCE | EFER_LME | EFER_LMA | (cpuid_has_nx() ? EFER_NXE : 0);
	bool active = (r->efer & EFER_LME) && (r->cr0 & CR0_PG);

	if ((r->cr4 & ~cr4_allowed()) || r->cr8 > 15 || r->cr0 >> 32 || r->dr6 >> 32 ||
	    r->dr7 >> 32 || (r->efer & ~efer) || r->cr3 >> cpuid_phys_bits() ||
	    !cr0_can_run(r->cr0))
		return false;
	return !(r->efer & EFER_LMA) == !active && (!active || (r->cr4 & CR4_PAE));
}

int64_t
vcpu_set_regs(struct env *e, uint64_t id, uint64_t index, uint64_t regs_va)
{
	struct vcpu *v = vcpu_of(e, id, index);
	struct vm_regs regs;
	int err;

	if (!v)
		return -E_BAD_VM;
	if ((err = copy_in(e->as, &regs, regs_va, sizeof(regs))) < 0)
		return err;
	if (!regs_valid(&regs))
		return -E_INVAL;
	vcpu_current(v);
	vcpu_take_regs(v, &regs);
	/* With PAE paging set_regs() reads guest memory, and that takes the lock. */
	spin_unlock(&kernel_lock);
	err = hv->set_regs(v, &regs);
	spin_lock(&kernel_lock);
	return err;
}
