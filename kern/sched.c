#include "kern/sched.h"

#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/deadline.h"
#include "kern/envqueue.h"
#include "kern/kernel.h"
#include "kern/lock.h"
#include "vmm/hv.h"

/*
 * Round robin: in each round an Env has one slice.  It may use it in pieces: one that
 * wakes with a part of its slice left goes before those that begin theirs, so that a
 * sleeper does not wait for a round, nor get more of the CPU than others by sleeping.
 * The timer is programmed for what comes first, the end of the slice or a deadline: a
 * lone Env is not interrupted for nothing.
 */

enum {
	SLICES_PER_SECOND = 100,
	PIECES = 8, /* a slice of which less than one in so many is left counts as used up */
};

static struct env_queue woken, run_queue;

static void
program_timer(void)
{
	struct cpu *cpu = this_cpu();
	const struct env *first = deadline_first();
	uint64_t at = cpu->slice_end;

	if (first && first->deadline < at)
		at = first->deadline;
	if (at != cpu->timer_at)
		timer_program(at);
}

/* What e has left of its slice runs from now on; but only if somebody waits for the CPU. */
static void
start_slice(const struct env *e)
{
	bool others = woken.head || run_queue.head;

	this_cpu()->slice_end = others ? rdtsc() + e->slice : UINT64_MAX;
	program_timer();
}

/* e leaves the CPU. */
static void
stop_slice(struct cpu *cpu, struct env *e)
{
	uint64_t now = rdtsc();

	if (cpu->slice_end != UINT64_MAX)
		e->slice = cpu->slice_end > now ? cpu->slice_end - now : 0;
}

void
sched_block(struct env *e, enum env_wait why, uint32_t wait_for)
{
	assert(e == this_cpu()->env);
	e->status = ENV_BLOCKED;
	e->wait = why;
	e->wait_for = wait_for;
	if (why == WAIT_IPC_SEND)
		queue_push(&env_find(wait_for)->senders, e);
}

static void
make_runnable(struct env *e, struct env_queue *queue)
{
	struct cpu *cpu = this_cpu();

	e->status = ENV_RUNNABLE;
	queue_push(queue, e);
	if (e->vcpu)
		vcpu_waits(e->vcpu);
	/* The one that runs needed no end of its slice as long as it was alone. */
	if (cpu->env && cpu->slice_end == UINT64_MAX && !cpu->resched)
		start_slice(cpu->env);
}

/* At the end of the round, with a new slice. */
static void
next_round(struct env *e)
{
	e->slice = tsc_hz / SLICES_PER_SECOND;
	make_runnable(e, &run_queue);
}

void
sched_wake(struct env *e)
{
	if (e->status != ENV_BLOCKED)
		return;
	queue_leave(e);
	if (e->wait == WAIT_SLEEP)
		deadline_set(e, UINT64_MAX);
	e->wait = WAIT_NONE;
	if (e->slice > tsc_hz / SLICES_PER_SECOND / PIECES)
		make_runnable(e, &woken);
	else
		next_round(e);
}

void
sched_start(struct env *e)
{
	next_round(e);
}

void
sched_forget(struct env *e)
{
	struct env *sender;

	queue_leave(e);
	deadline_set(e, UINT64_MAX);
	while ((sender = e->senders.head) != NULL)
		sched_wake(sender);
}

void
sched_deadline(struct env *e, uint64_t tsc)
{
	if (tsc == e->deadline)
		return;
	deadline_set(e, tsc);
	program_timer();
}

static void
deadline_passed(struct env *e)
{
	deadline_set(e, UINT64_MAX);
	/* Also while the monitor runs: it may be on its way into the guest, which takes no lock. */
	if (e->vcpu)
		vcpu_kick(e->vcpu);
	if (e->wait == WAIT_SLEEP || e->wait == WAIT_HALT)
		sched_wake(e);
}

void
sched_tick(void)
{
	struct cpu *cpu = this_cpu();
	uint64_t now = rdtsc();
	struct env *e;

	cpu->timer_at = UINT64_MAX; /* it has fired */
	while ((e = deadline_first()) != NULL && e->deadline <= now)
		deadline_passed(e);
	if (now >= cpu->slice_end) {
		cpu->slice_end = UINT64_MAX;
		cpu->env->slice = 0;
		cpu->resched = true;
	}
	program_timer();
}

/* Until an interrupt makes an Env runnable.  The lock is free meanwhile. */
static void
idle(void)
{
	struct cpu *cpu = this_cpu();

	if (!env_count) {
		kprintf("nestling: no process is left\n");
		poweroff(1);
	}
	cpu->slice_end = UINT64_MAX;
	program_timer();
	cpu->interruptible = true;
	spin_unlock(&kernel_lock);
	/* Nothing comes between sti and hlt: sti takes effect one instruction later. */
	__asm__ volatile("sti; hlt; cli" : : : "memory");
	spin_lock(&kernel_lock);
	cpu->interruptible = false;
}

static void
run_next(void)
{
	struct env *e;

	while (!(e = queue_pop(&woken)) && !(e = queue_pop(&run_queue)))
		idle();
	start_slice(e);
	env_run(e);
}

_Noreturn void
sched_yield(void)
{
	struct cpu *cpu = this_cpu();
	struct env *e = cpu->env;

	if (e)
		stop_slice(cpu, e);
	env_stop();
	cpu->resched = false;
	if (e && e->status == ENV_RUNNING)
		next_round(e);
	/* Guests may run for ever without user mode, which would empty the stack. */
	stack_switch((char *)cpu + CPU_KSTACK_TOP, run_next);
}
