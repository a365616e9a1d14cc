#include "kern/runqueue.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/deadline.h"
#include "kern/dev/timer.h"
#include "kern/envqueue.h"
#include "kern/ipi.h"
#include "kern/sched.h"
#include "lib/assert.h"
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
	const struct env *first = deadline_first(cpu->index);
	uint64_t at = cpu->slice_end;

	if (first && first->deadline < at)
		at = first->deadline;
	if (at != cpu->timer_at)
		timer_program(at);
}

static struct env *
next_waiting(void)
{
	return woken.head ? woken.head : run_queue.head;
}

void
slice_start(const struct env *e)
{
	this_cpu()->slice_end = next_waiting() ? rdtsc() + e->slice : UINT64_MAX;
	program_timer();
}

void
slice_stop(struct env *e)
{
	const struct cpu *cpu = this_cpu();
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

/* Its Env needed no end of its slice as long as nobody waited. */
static void
limit_slice(struct cpu *cpu)
{
	if (!cpu->env || cpu->slice_end != UINT64_MAX || cpu->resched)
		return;
	if (cpu == this_cpu())
		slice_start(cpu->env);
	else
		cpu_poke(cpu);
}

/* The CPU that e should go to at once: its own, if that is idle, or another that is; or NULL. */
static struct cpu *
idle_cpu(const struct env *e)
{
	if (e->home && e->home->idle)
		return e->home;
	for (unsigned int i = 0; i < cpu_count; i++)
		if (cpu_at(i)->idle)
			return cpu_at(i);
	return NULL;
}

/* e waits in a queue: an idle CPU wakes for it, or all others get an end of their slices. */
static void
find_cpu(const struct env *e)
{
	struct cpu *idle = idle_cpu(e);

	for (unsigned int i = 0; !idle && i < cpu_count; i++)
		limit_slice(cpu_at(i));
	if (idle && idle != this_cpu())
		cpu_poke(idle);
}

static void
make_runnable(struct env *e, struct env_queue *queue)
{
	e->status = ENV_RUNNABLE;
	queue_push(queue, e);
	if (e->vcpu)
		vcpu_waits(e->vcpu);
}

void
runqueue_put(struct env *e)
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
		deadline_clear(e);
	e->wait = WAIT_NONE;
	if (e->slice > tsc_hz / SLICES_PER_SECOND / PIECES)
		make_runnable(e, &woken);
	else
		runqueue_put(e);
	find_cpu(e);
}

void
sched_start(struct env *e)
{
	runqueue_put(e);
	find_cpu(e);
}

void
sched_forget(struct env *e)
{
	struct env *sender;

	queue_leave(e);
	deadline_clear(e);
	while ((sender = e->senders.head) != NULL)
		sched_wake(sender);
}

void
sched_deadline(struct env *e, uint64_t tsc)
{
	if (tsc == e->deadline)
		return;
	deadline_set(e, this_cpu()->index, tsc);
	program_timer();
}

static void
deadline_passed(struct env *e)
{
	deadline_clear(e);
	/* Also while the monitor runs: it may be on its way into the guest, which takes no lock. */
	if (e->vcpu)
		vcpu_is_due(e->vcpu);
	if (e->wait == WAIT_SLEEP || e->wait == WAIT_HALT || e->wait == WAIT_REQUEST)
		sched_wake(e);
}

void
sched_tick(void)
{
	struct cpu *cpu = this_cpu();
	uint64_t now = rdtsc();
	struct env *e;

	cpu->timer_at = UINT64_MAX; /* it has fired */
	while ((e = deadline_first(cpu->index)) != NULL && e->deadline <= now)
		deadline_passed(e);
	if (cpu->env && now >= cpu->slice_end) {
		cpu->slice_end = UINT64_MAX;
		cpu->env->slice = 0;
		cpu->resched = true;
	}
	program_timer();
}

void
sched_poked(void)
{
	limit_slice(this_cpu());
}

void
sched_preempt(struct cpu *cpu)
{
	cpu->resched = true;
	/* Not every guest that is entered is ended by the interrupt. */
	if (cpu->env->vcpu)
		vcpu_recalled(cpu->env->vcpu);
	cpu_recall(cpu);
}

void
slice_none(void)
{
	this_cpu()->slice_end = UINT64_MAX;
	program_timer();
}

/* The first for this CPU, cpu.  What has its state on another one, which is idle, is that one's. */
static struct env *
pick(struct env_queue *q, const struct cpu *cpu)
{
	struct env *e = q->head;

	while (e && e->home != cpu && e->home && e->home->idle)
		e = e->next;
	if (e)
		queue_leave(e);
	return e;
}

struct env *
runqueue_take(void)
{
	struct env *e = pick(&woken, this_cpu());

	return e ? e : pick(&run_queue, this_cpu());
}

void
runqueue_share(void)
{
	if (next_waiting() && cpu_count > 1)
		find_cpu(next_waiting());
}
