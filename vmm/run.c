#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "kern/sched.h"
#include "kern/timer.h"
#include "kern/trap.h"
#include "lib/assert.h"

/*
 * THE loop: enter, account, decode, handle, skip.  It runs without the big
 * kernel lock; handlers that touch more than their vCPU take it themselves.
 */

void
vcpu_current(struct vcpu *v)
{
	struct cpu *cpu = this_cpu();

	if (cpu->vcpu != v) {
		hv_switch_out();
		hv->load(v);
		v->loaded_cpu = cpu->index;
		state_load(v);
		v->state_loaded = true;
		cpu->vcpu = v;
	}
}

/* The loop is left: for the monitor, or for another Env. */
static void
vcpu_leave(struct vcpu *v, enum vm_time next)
{
	v->cr2 = read_cr2();
	hv->leave(v);
	acct_leave(&v->acct, next, rdtsc());
	spin_lock(&kernel_lock);
}

void
hv_switch_out(void)
{
	struct cpu *cpu = this_cpu();
	struct vcpu *v = cpu->vcpu;

	if (!v)
		return;
	state_save(v);
	v->state_loaded = false;
	hv->put(v);
	v->loaded_cpu = -1;
	cpu->vcpu = NULL;
}

/* What must happen before an entry that is not the common case.  HV_RESUME: enter. */
static enum hv_action
vcpu_prepare(struct vcpu *v)
{
	v->attention = false;
	if (v->kick) {
		v->kick = false;
		v->attention = true; /* nothing else has been looked at */
		v->run->exit = VM_EXIT_EVENT;
		return HV_USER;
	}
	if (inject_pending(v)) {
		v->attention = true;
		v->run->exit = VM_EXIT_IRQ_WINDOW;
		v->run->irq_ready = 1;
		return HV_USER;
	}
	if (v->halted) {
		v->attention = true;
		return HV_YIELD;
	}
	if (v->flushed != v->vm->tlb_gen) {
		v->flushed = v->vm->tlb_gen;
		hv->flush(v->vm);
	}
	/* An exit may come before the window does, and may open it: STI; CPUID. */
	if (v->window_open)
		v->attention = true;
	return v->debug.state ? debug_prepare(v) : HV_RESUME;
}

/*
 * A host interrupt ends guest mode, so none should wait here.  But some do: between exits
 * in an endless delivery of #DB or #AC, and on Bochs as long as a guest that was entered
 * with IF clear leaves it so.  From time to time, therefore, exits let them in.
 */
static __attribute__((noinline)) enum hv_action
let_interrupts_in(struct vcpu *v)
{
	enum { WINDOWS_PER_SECOND = 100 };

	trap_window();
	v->window_at = rdtsc() + tsc_hz / WINDOWS_PER_SECOND;
	return this_cpu()->resched ? HV_YIELD : HV_RESUME;
}

static __attribute__((noinline)) enum hv_action
entry_refused(struct vcpu *v)
{
	acct_refused(&v->acct, rdtsc());
	return entry_failed(v, NULL);
}

/* The life of an exit. */
static inline enum hv_action
vcpu_enter(struct vcpu *v, const struct hv_ops *ops)
{
	enum hv_exit_kind kind;
	enum hv_action action;
	struct hv_exit *x;

	assert(v->loaded_cpu == (int)this_cpu()->index && v->flushed == v->vm->tlb_gen);
	acct_enter(&v->acct, rdtsc());
	if (ops->enter(v) < 0)
		return entry_refused(v);
	x = acct_exit(&v->acct, rdtsc());
	ops->decode(v, x);
	kind = x->kind;
	acct_count(&v->acct, kind);
	action = exit_handlers[kind](v, x);
	x->action = action;
	if (action == HV_SKIP) {
		ops->skip(v, x);
		action = HV_RESUME;
	}
	if (action == HV_WINDOW || (action == HV_RESUME && x->tsc >= v->window_at))
		return let_interrupts_in(v);
	return action;
}

/* The CPU goes to somebody else; the vCPU stays runnable, or sleeps in HLT. */
static _Noreturn void
vcpu_yield(struct env *e)
{
	struct vcpu *v = e->vcpu;

	vcpu_leave(v, VM_TIME_WAITING);
	if (v->halted && !v->kick) {
		acct_switch(&v->acct, VM_TIME_HALTED, rdtsc());
		sched_block(e, WAIT_HALT, 0);
	}
	sched_yield();
}

void
vcpu_loop(struct env *e)
{
	const struct hv_ops *ops = hv;
	struct vcpu *v = e->vcpu;
	enum hv_action action;

	spin_unlock(&kernel_lock);
	vcpu_current(v);
	write_cr2(v->cr2);
	io_complete_in(v);
	do {
		action = v->attention ? vcpu_prepare(v) : HV_RESUME;
		if (action == HV_RESUME)
			action = vcpu_enter(v, ops);
	} while (action == HV_RESUME);

	if (action == HV_YIELD)
		vcpu_yield(e);
	vcpu_leave(v, VM_TIME_MONITOR);
	if (action == HV_STOP) {
		v->stopped = true;
		v->run->exit = VM_EXIT_STOP;
	}
	e->guest = false;
	e->tf.rax = 0;
}
