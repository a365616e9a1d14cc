#include "kern/sched.h"

#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/deadline.h"
#include "kern/dev/poweroff.h"
#include "kern/lock.h"
#include "kern/mem/tlb.h"
#include "kern/runqueue.h"
#include "kern/switchlog.h"
#include "kern/trap.h"
#include "vmm/hv.h"

/* A CPU goes from one Env to the next.  Which one is next: kern/runqueue.c. */

/* Until an interrupt makes an Env runnable.  The lock is free meanwhile. */
static void
idle(void)
{
	if (!env_count) {
		kprintf("nestling: no process is left\n");
		poweroff(1);
	}
	slice_none();
	spin_unlock(&kernel_lock);
	trap_wait();
	spin_lock(&kernel_lock);
}

/* From another CPU: its state there and its deadline come along. */
static SLOW_PATH void
move_here(struct env *e, struct cpu *cpu)
{
	if (e->vcpu)
		vcpu_unload(e->vcpu);
	if (e->deadline != UINT64_MAX)
		deadline_set(e, cpu->index, e->deadline);
	e->home = cpu;
}

/* e gets this CPU.  Guest state of another Env leaves it; e's own may have stayed. */
static void
env_switch(struct env *e)
{
	struct cpu *cpu = this_cpu();

	switchlog_step(SWITCH_RUN);
	env_stop();
	if (cpu->vcpu && cpu->vcpu != e->vcpu)
		hv_switch_out();
	tlb_load(e->as);
	cpu->env = e;
	cpu->env_since = rdtsc();
	e->status = ENV_RUNNING;
	e->runs++;
	if (e->vcpu)
		vcpu_has_cpu(e->vcpu);
	switchlog_step(SWITCH_CR3);
}

/* JOS's env_run: user mode through trap_return(), or guest mode through vcpu_loop(). */
static _Noreturn void
env_run(struct env *e)
{
	if (this_cpu()->env != e)
		env_switch(e);
	tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
	if (e->guest) {
		int64_t result = vcpu_loop(e);

		if (result == VCPU_YIELDS)
			sched_yield();
		e->tf->rax = result;
	}
	trap_return(e->tf);
}

static void run_next(void);

/* Of a process that ends: the last Env that a CPU gives up ends it. */
static _Noreturn void
end_doomed(struct env *e)
{
	e->status = ENV_BLOCKED;
	e->wait = WAIT_LAST;
	env_destroy(e, ENV_WAIT_KILLED);
	stack_switch((char *)this_cpu() + CPU_KSTACK_TOP, run_next);
}

static void
run_next(void)
{
	struct cpu *cpu = this_cpu();
	struct env *e;

	while (!(e = runqueue_take()))
		idle();
	if (e->doomed)
		end_doomed(e);
	cpu->idle = false;
	if (e->home != cpu)
		move_here(e, cpu);
	slice_start(e);
	runqueue_share();
	env_run(e);
}

_Noreturn void
sched_yield(void)
{
	struct cpu *cpu = this_cpu();
	struct env *e = cpu->env;

	switchlog_step(SWITCH_YIELD);
	if (e && e->doomed) {
		env_destroy(e, ENV_WAIT_KILLED);
		e = NULL;
	}
	if (e)
		slice_stop(e);
	env_stop();
	cpu->idle = true;
	cpu->resched = false;
	if (e && e->status == ENV_RUNNING)
		runqueue_put(e);
	/* Guests may run for ever without user mode, which would empty the stack. */
	stack_switch((char *)cpu + CPU_KSTACK_TOP, run_next);
}
