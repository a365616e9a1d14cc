#include "user/vm/machine.h"

/*
 * The loop that drives a vCPU: get it ready, run it, do what it came back for.  Each vCPU of a VM
 * has a thread that runs this loop, and a VM with one vCPU has one thread.  The first vCPU's thread
 * also has the console, the requests, the PIT and the 8259s' interrupts.
 *
 * A thread has the machine's lock unless it is in sys_vcpu_run or asleep, so that devices and
 * machine are one thread's at a time.
 */

void
run_tick(struct driver *d)
{
	struct machine *m = d->machine;
	uint64_t due = d->lapic ? lapic_tick(&m->lapics, d->index) : VDEV_NEVER, pit;

	if (d->index == 0 && (pit = pit_tick(&m->pit)) < due)
		due = pit;
	d->run->deadline = clock_tsc(&m->clock, due);
}

/* Is the vCPU's INTR input high? */
static inline bool
interrupt_pending(const struct driver *d)
{
	const struct lapic *l = d->lapic;

	if (l && lapic_pending(l))
		return true;
	return pic_pending(&d->machine->pic) && d->index == 0 && (!l || lapic_takes_extint(l));
}

/* The acknowledge cycle takes the interrupt from its controller, so it waits until the guest can
 * take it. */
static void
inject(struct driver *d)
{
	struct lapic *l = d->lapic;

	d->run->irq_ready = 0;
	if (interrupt_pending(d))
		d->run->inject = VM_INJECT_VALID |
		                 (l && lapic_pending(l) ? lapic_ack(l) : pic_ack(&d->machine->pic));
}

/* Tells the vCPU when the next device event is due and what its interrupt line is. */
static inline void
prepare(struct driver *d)
{
	struct machine *m = d->machine;
	struct vm_run *run = d->run;

	if (m->term.count)
		terminal_feed(m);
	if (m->pit.moved && d->index == 0)
		run_tick(d);
	if (run->irq_ready)
		inject(d);
	run->irq_pending = interrupt_pending(d);
	if (m->opts.break_name && d->index == 0)
		break_prepare(m);
}

static void
run_failed(struct driver *d, long err)
{
	printf(VM_NAME " %u: cannot run vCPU %u: %s\n", d->machine->vm, d->index, error_text(err));
	machine_off(d->machine, STATUS_ERROR);
}

static void
step(struct driver *d)
{
	long err;

	prepare(d);
	err = d->lapic ? smp_enter(d) : sys_vcpu_run(d->machine->vm, d->index);
	if (err < 0)
		run_failed(d, err);
	else
		exit_handlers[d->run->exit](d);
}

void
run_vcpu(struct driver *d)
{
	run_tick(d); /* timers or the clock may have been set meanwhile */
	while (d->machine->state == RUN_ON)
		step(d);
}

void
run_machine(struct machine *m)
{
	if (m->opts.check)
		break_check(m);
	while (m->state != RUN_OFF) {
		machine_reset(m);
		terminal_poll(m); /* from now on, console input makes the vCPU come back */
		smp_go(m);
		run_vcpu(&m->smp.driver[0]);
		smp_stop(m);
	}
}
