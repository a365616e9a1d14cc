#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/dev/timer.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "kern/sched.h"
#include "kern/switchlog.h"
#include "kern/trap.h"
#include "vmm/load.h"
#include "vmm/quirks.h"

/*
 * The loop that runs a vCPU: enter the guest, account for the exit, decode it, handle it, skip the
 * instruction.  The loop runs without the kernel lock; a handler that touches more than its own
 * vCPU takes the lock.
 */

/* Ends the loop.  `next` says what the vCPU's time is spent on from now on. */
static inline void
vcpu_leave(struct vcpu *v, enum vm_time next)
{
	v->guest.cr2 = read_cr2();
	if (hv->traits.exit_widens_gdt)
		lgdt(&this_cpu()->gdtr);
	acct_leave(&v->acct, next, rdtsc());
}

/*
 * If this CPU was recalled, waits until the recaller drops the kernel lock.  Returns true if the
 * Env must give up the CPU.
 */
static SLOW_PATH bool
heed_recall(void)
{
	if (this_cpu()->recalled)
		spin_wait_free(&kernel_lock);
	return this_cpu()->resched;
}

/* Serves the requests of v.  Returns HV_RESUME if the guest may be entered then. */
static enum hv_action
vcpu_prepare(struct vcpu *v)
{
	if (vcpu_take_request(v, REQ_RECALL) && heed_recall())
		return HV_YIELD;
	if (vcpu_requested(v, REQ_KICK)) {
		/* First: a vCPU that halts on another CPU must not take this one for dead. */
		v->env->guest = false;
		vcpu_drop_request(v, REQ_KICK);
		v->run->exit = VM_EXIT_EVENT;
		return HV_USER;
	}
	if (inject_pending(v)) {
		v->run->exit = VM_EXIT_IRQ_WINDOW;
		v->run->irq_ready = 1;
		return HV_USER;
	}
	if (vcpu_requested(v, REQ_HALTED))
		return v->pending.dead_halt ? halt_dead(v) : HV_YIELD;
	/* Comes before the flush: printing takes the kernel lock, and while this CPU waits for the
	 * lock, the nested page table may change. */
	if (vcpu_take_request(v, REQ_SWITCHLOG))
		switchlog_step(SWITCH_ENTRY);
	if (vcpu_take_request(v, REQ_FLUSH) && v->tlb.flushed != v->vm->tlb_gen)
		vtlb_flush(v);
	vtlb_check(v);
	return vcpu_requested(v, REQ_BREAK) ? debug_prepare(v) : HV_RESUME;
}

/*
 * Takes the host's interrupts that wait.  A host interrupt ends guest mode, so as a rule none waits
 * at an exit.  But interrupts may wait during an endless delivery of #DB or #AC, between its exits;
 * and because of a quirk of Bochs: quirk_let_in_due().
 */
static SLOW_PATH enum hv_action
let_interrupts_in(struct vcpu *v)
{
	enum { TIMES_PER_SECOND = 100 };

	trap_let_in();
	v->let_in_at = rdtsc() + tsc_hz / TIMES_PER_SECOND;
	return this_cpu()->resched ? HV_YIELD : HV_RESUME;
}

static SLOW_PATH enum hv_action
entry_refused(struct vcpu *v)
{
	acct_refused(&v->acct, rdtsc());
	return entry_failed(v, NULL);
}

/*
 * The life of an exit: enters the guest, and handles the exit that ends guest mode.  Returns
 * HV_RESUME if the loop goes on.  The most frequent actions are tested first.
 */
static inline enum hv_action
vcpu_enter(struct vcpu *v, const struct hv_ops *ops)
{
	enum hv_exit_kind kind;
	enum hv_action action;
	struct hv_exit *x;

	if (v->loaded_cpu != (int)this_cpu()->index || v->tlb.flushed != v->vm->tlb_gen)
		vtlb_stale(v);
	acct_enter(&v->acct, rdtsc());
	if (ops->enter(v) < 0)
		return entry_refused(v);
	x = acct_exit(&v->acct, rdtsc());
	ops->decode(v, x);
	kind = x->kind;
	acct_count(&v->acct, kind);
	action = exit_handlers[kind](v, x);
	x->action = action;
	if (__builtin_expect(action == HV_SKIP, 1)) {
		ops->skip(v, x);
	} else if (action == (HV_USER | HV_SKIP)) {
		ops->skip(v, x);
		return HV_USER;
	} else if (action != HV_RESUME) {
		if (action == HV_LET_IN)
			return let_interrupts_in(v);
		if (action != (HV_YIELD | HV_SKIP))
			return action;
		ops->skip(v, x);
		return HV_YIELD;
	}
	return quirk_let_in_due(v, x) ? let_interrupts_in(v) : HV_RESUME;
}

/* Gives up the CPU.  The Env stays runnable, or sleeps if the guest is in HLT. */
static SLOW_PATH int64_t
vcpu_yield(struct env *e)
{
	struct vcpu *v = e->vcpu;

	vcpu_leave(v, VM_TIME_WAITING);
	spin_lock(&kernel_lock);
	if (vcpu_requested(v, REQ_HALTED | REQ_KICK) == REQ_HALTED) {
		acct_switch(&v->acct, VM_TIME_HALTED, rdtsc());
		sched_block(e, WAIT_HALT, 0);
	}
	return VCPU_YIELDS;
}

/* Leaves the loop for the monitor: returns what its vcpu_run returns. */
static SLOW_PATH int64_t
vcpu_return(struct env *e, enum hv_action action)
{
	struct vcpu *v = e->vcpu;

	vcpu_leave(v, VM_TIME_MONITOR);
	if (action == HV_STOP) {
		v->pending.stopped = true;
		v->run->exit = VM_EXIT_STOP;
	}
	e->guest = false;
	return 0;
}

int64_t
vcpu_loop(struct env *e)
{
	const struct hv_ops *ops = hv;
	struct vcpu *v = e->vcpu;
	enum hv_action action = HV_RESUME;

	vcpu_current(v);
	write_cr2(v->guest.cr2);
	if (v->pending.answer) {
		action = io_complete(v);
		if (action == HV_SKIP) {
			ops->skip(v, v->acct.exit);
			action = HV_RESUME;
		}
	}
	while (action == HV_RESUME) {
		action = v->requests ? vcpu_prepare(v) : HV_RESUME;
		if (action == HV_RESUME)
			action = vcpu_enter(v, ops);
	}

	return action == HV_YIELD ? vcpu_yield(e) : vcpu_return(e, action);
}
