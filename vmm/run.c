#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/lock.h"
#include "kern/sched.h"
#include "kern/switchlog.h"
#include "kern/dev/timer.h"
#include "kern/trap.h"
#include "lib/assert.h"

/*
 * THE loop: enter, account, decode, handle, skip.  It runs without the big
 * kernel lock; handlers that touch more than their vCPU take it themselves.
 */

static SLOW_PATH void
switch_in(struct vcpu *v)
{
	struct cpu *cpu = this_cpu();

	hv_switch_out();
	assert(v->loaded_cpu < 0);
	hv->load(v);
	v->loaded_cpu = (int)cpu->index;
	switchlog_step(SWITCH_LOAD);
	vtlb_load(v);
	vtlb_check(v);
	state_load(v);
	cpu->vcpu = v;
	if (switchlog_left)
		v->attention = true; /* for the last step */
	switchlog_step(SWITCH_REGISTERS);
}

void
vcpu_current(struct vcpu *v)
{
	if (this_cpu()->vcpu != v)
		switch_in(v);
}

/* The loop is left: for the monitor, or for another Env. */
static inline void
vcpu_leave(struct vcpu *v, enum vm_time next)
{
	v->guest.cr2 = read_cr2();
	if (hv->exit_widens_gdt)
		lgdt(&this_cpu()->gdtr);
	acct_leave(&v->acct, next, rdtsc());
}

void
hv_switch_out(void)
{
	struct cpu *cpu = this_cpu();
	struct vcpu *v = cpu->vcpu;

	if (!v)
		return;
	state_save(v);
	switchlog_step(SWITCH_SAVED);
	hv->put(v);
	switchlog_step(SWITCH_PUT);
	v->tlb.flushed = TLB_UNKNOWN;
	cpu->vcpu = NULL;
	/* Last: another CPU may load it from now on. */
	__atomic_store_n(&v->loaded_cpu, -1, __ATOMIC_RELEASE);
}

/* Called by the CPU that has a vCPU's state, when another one wants it. */
static void
give_up(const void *v)
{
	if (this_cpu()->vcpu == v)
		hv_switch_out();
}

void
vcpu_unload(struct vcpu *v)
{
	int cpu = __atomic_load_n(&v->loaded_cpu, __ATOMIC_ACQUIRE);

	if (cpu == (int)this_cpu()->index)
		hv_switch_out();
	else if (cpu >= 0)
		cpu_recall_call(cpu_at((unsigned int)cpu), give_up, v);
	assert(__atomic_load_n(&v->loaded_cpu, __ATOMIC_ACQUIRE) < 0);
	/* Where it goes, host interrupts may wait for a window: those of guests that go from CPU to
	 * CPU in step could all be elsewhere. */
	v->let_in_at = 0;
}

/* Was this CPU called back?  It waits until whoever did that is done.  Shall the Env leave it? */
static SLOW_PATH bool
heed_recall(struct vcpu *v)
{
	v->recalled = false;
	if (this_cpu()->recalled)
		spin_wait_free(&kernel_lock);
	return this_cpu()->resched;
}

/* What must happen before an entry that is not the common case.  HV_RESUME: enter. */
static enum hv_action
vcpu_prepare(struct vcpu *v)
{
	/* A full barrier: what others set before they set attention is looked at after it. */
	(void)__atomic_exchange_n(&v->attention, false, __ATOMIC_SEQ_CST);
	if (v->recalled && heed_recall(v)) {
		v->attention = true;
		return HV_YIELD;
	}
	if (v->pending.mmio.again) {
		v->pending.mmio.again = false;
		v->attention = true; /* nothing else has been looked at */
		return HV_USER;
	}
	if (v->kick) {
		v->kick = false;
		v->attention = true;
		v->run->exit = VM_EXIT_EVENT;
		return HV_USER;
	}
	if (inject_pending(v)) {
		v->attention = true;
		v->run->exit = VM_EXIT_IRQ_WINDOW;
		v->run->irq_ready = 1;
		return HV_USER;
	}
	if (v->pending.halted) {
		v->attention = true;
		return v->pending.dead_halt ? halt_dead(v) : HV_YIELD;
	}
	/* Takes the lock, and while it waits for that the nested page table may change. */
	switchlog_step(SWITCH_ENTRY);
	if (v->tlb.flushed != v->vm->tlb_gen)
		vtlb_flush(v);
	vtlb_check(v);
	/* An exit may come before the window does, and may open it: STI; CPUID. */
	if (v->pending.window_open)
		v->attention = true;
	return v->breaking.state ? debug_prepare(v) : HV_RESUME;
}

/*
 * A host interrupt ends guest mode, so none should wait here.  But some do: between exits
 * in an endless delivery of #DB or #AC, and on Bochs as long as a guest that was entered
 * with IF clear leaves it so.  From time to time, therefore, exits let them in.
 */
static SLOW_PATH enum hv_action
let_interrupts_in(struct vcpu *v)
{
	enum { WINDOWS_PER_SECOND = 100 };

	trap_window();
	v->let_in_at = rdtsc() + tsc_hz / WINDOWS_PER_SECOND;
	return this_cpu()->resched ? HV_YIELD : HV_RESUME;
}

static SLOW_PATH enum hv_action
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
	if (__builtin_expect(action == HV_SKIP, 1))
		ops->skip(v, x);
	else if (action != HV_RESUME)
		return action == HV_WINDOW ? let_interrupts_in(v) : action;
	return x->tsc < v->let_in_at ? HV_RESUME : let_interrupts_in(v);
}

/* The CPU goes to somebody else; the vCPU stays runnable, or sleeps in HLT. */
static SLOW_PATH _Noreturn void
vcpu_yield(struct env *e)
{
	struct vcpu *v = e->vcpu;

	vcpu_leave(v, VM_TIME_WAITING);
	spin_lock(&kernel_lock);
	if (v->pending.halted && !v->kick) {
		acct_switch(&v->acct, VM_TIME_HALTED, rdtsc());
		sched_block(e, WAIT_HALT, 0);
	}
	sched_yield();
}

/* To the monitor. */
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
	enum hv_action action;

	vcpu_current(v);
	write_cr2(v->guest.cr2);
	if (v->pending.answer)
		io_complete(v);
	do {
		action = v->attention ? vcpu_prepare(v) : HV_RESUME;
		if (action == HV_RESUME)
			action = vcpu_enter(v, ops);
	} while (action == HV_RESUME);

	if (action == HV_YIELD)
		vcpu_yield(e);
	return vcpu_return(e, action);
}
