#include "user/vm/machine.h"

#include "inc/memlayout.h"
#include "inc/x86.h"

/*
 * A VM with several vCPUs.  A thread drives each of them, vCPU 0 the first one, which also has the
 * console, the requests, the PIT and the 8259s' interrupts.  Whoever is not in sys_vcpu_run or
 * asleep has the lock, so that devices and machine are one thread's at a time.
 */

enum { STACK_SIZE = 0x8000, STACK_DISTANCE = 2 * USTACK_SIZE };

static void
lock(struct driver *d)
{
	mutex_lock(&d->machine->smp.lock);
	lapics_select(&d->machine->lapics, d->index);
}

static void
unlock(struct driver *d)
{
	mutex_unlock(&d->machine->smp.lock);
}

static struct lapic *
lapic_of(struct driver *d)
{
	return &d->machine->lapics.cpu[d->index];
}

/* A local APIC has something for its vCPU, which looks before each run. */
static void
lapic_event(void *arg, unsigned int index, bool level)
{
	struct machine *m = arg;

	(void)level;
	if (index != m->lapics.selected)
		sys_vcpu_kick(m->vm, index);
}

/* No vCPU but 0 may run now. */
static bool
standing(const struct machine *m)
{
	return m->smp.stops || m->state != RUN_ON;
}

/* Until the others may run; as if paused. */
static void
stand(struct driver *d)
{
	struct machine *m = d->machine;

	if (m->state != RUN_ON)
		sys_vcpu_kick(m->vm, 0); /* whose thread does what is to be done */
	m->smp.running--;
	sys_mem_wake(&m->smp.running, 1);
	while (standing(m)) {
		unlock(d);
		sys_vcpu_wait(m->vm, d->index, VM_TIME_PAUSED);
		lock(d);
	}
	m->smp.running++;
}

void
smp_stop(struct machine *m)
{
	struct smp *s = &m->smp;
	uint32_t running;

	if (s->count == 1 || s->stops++)
		return;
	for (unsigned int i = 1; i < s->count; i++)
		sys_vcpu_kick(m->vm, i);
	while ((running = s->running)) {
		unlock(&s->driver[0]);
		sys_mem_wait(&s->running, running);
		lock(&s->driver[0]);
	}
}

void
smp_go(struct machine *m)
{
	struct smp *s = &m->smp;

	if (s->count == 1 || --s->stops)
		return;
	for (unsigned int i = 1; i < s->count; i++)
		sys_vcpu_kick(m->vm, i);
}

/* After INIT or a reset: halted until the start-up IPI, and on where that says. */
static void
wait_for_start(struct driver *d)
{
	struct machine *m = d->machine;
	struct lapic *l = lapic_of(d);

	while (l->waits && !standing(m)) {
		unlock(d);
		sys_vcpu_wait(m->vm, d->index, VM_TIME_HALTED);
		lock(d);
	}
	if (standing(m))
		return;
	lapic_take_init(l);
	boot_start_other(m, d->index, l->start);
	d->run->irq_ready = 0;
	l->moved = true;
}

/* Does the vCPU's INTR input ask? */
static bool
interrupt_pending(struct driver *d)
{
	const struct lapic *l = lapic_of(d);

	return lapic_pending(l) ||
	       (d->index == 0 && lapic_takes_extint(l) && pic_pending(&d->machine->pic));
}

static uint8_t
interrupt_ack(struct driver *d)
{
	struct lapic *l = lapic_of(d);

	return lapic_pending(l) ? lapic_ack(l) : pic_ack(&d->machine->pic);
}

static void
tick(struct driver *d)
{
	struct machine *m = d->machine;
	uint64_t due = lapic_tick(&m->lapics, d->index), pit;

	if (d->index == 0 && (pit = pit_tick(&m->pit)) < due)
		due = pit;
	d->run->deadline = clock_tsc(&m->clock, due);
}

/* As prepare() in run.c does, for one of several. */
static void
prepare(struct driver *d)
{
	struct machine *m = d->machine;
	struct vm_run *run = d->run;

	if (m->term.count)
		terminal_feed(m);
	if (lapic_of(d)->moved || (d->index == 0 && m->pit.moved))
		tick(d);
	run->inject = 0;
	if (run->irq_ready && interrupt_pending(d))
		run->inject = VM_INJECT_VALID | interrupt_ack(d);
	run->irq_pending = interrupt_pending(d);
	run->irq_ready = 0;
}

/* What another vCPU has done to the devices may be vCPU 0's business. */
static void
tell_first(struct machine *m)
{
	if (m->pit.moved || (pic_pending(&m->pic) && !m->run->irq_pending))
		sys_vcpu_kick(m->vm, 0);
}

static void
on_event(struct driver *d)
{
	if (d->index == 0) {
		job_requests(d->machine);
		terminal_poll(d->machine);
	}
	tick(d);
}

static void
step(struct driver *d)
{
	struct machine *m = d->machine;
	long err;

	prepare(d);
	if (d->index == 0 && (m->opts.break_name || m->opts.check))
		break_prepare(m);
	unlock(d);
	err = sys_vcpu_run(m->vm, d->index);
	lock(d);
	if (err < 0)
		run_failed(m, d->index, err);
	else if (d->run->exit == VM_EXIT_EVENT)
		on_event(d);
	else
		run_exit(m, d->run);
	if (d->index)
		tell_first(m);
}

static void
drive(void *arg)
{
	struct driver *d = arg;
	struct machine *m = d->machine;
	struct smp *s = &m->smp;

	d->created = sys_vcpu_create(m->vm, d->run);
	s->created++;
	sys_mem_wake(&s->created, 1);
	lock(d);
	for (;;) {
		if (standing(m))
			stand(d);
		else if (lapic_of(d)->waits || lapic_of(d)->init)
			wait_for_start(d);
		else
			step(d);
	}
}

/* One after the other, since vCPUs are numbered in the order of their creation. */
static long
create_driver(struct machine *m, unsigned int index)
{
	struct driver *d = &m->smp.driver[index];
	char *top = (char *)USTACK_TOP - index * STACK_DISTANCE;
	long err = sys_mem_map(top - STACK_SIZE, STACK_SIZE);

	*d = (struct driver){.machine = m, .index = index, .run = &m->run[index]};
	if (err == 0)
		err = sys_thread(drive, top - sizeof(uint64_t), d);
	while (err >= 0 && m->smp.created < index)
		sys_mem_wait(&m->smp.created, index - 1);
	return err < 0 ? err : d->created;
}

long
smp_create(struct machine *m)
{
	const struct vdev_clock clock = {.now = machine_time, .arg = &m->clock};
	const struct vdev_irq event = {.set = lapic_event, .arg = m};
	struct smp *s = &m->smp;
	long err = 0;

	s->count = m->opts.cpus;
	if (s->count == 1)
		return 0;
	lapics_init(&m->lapics, s->count, &clock, &event);
	if (lapics_attach(&m->lapics, &m->memory) < 0)
		return -E_LIMIT;
	s->driver[0] = (struct driver){.machine = m, .run = m->run};
	s->stops = 1; /* until the machine runs */
	s->running = s->count - 1;
	lock(&s->driver[0]);
	for (unsigned int i = 1; i < s->count && err >= 0; i++)
		err = create_driver(m, i);
	return err < 0 ? err : 0;
}

void
smp_run(struct machine *m)
{
	struct driver *d = &m->smp.driver[0];

	while (m->state == RUN_ON) {
		if (lapic_take_init(lapic_of(d)))
			m->state =
			        RUN_RESET; /* INIT of the first processor leads to the firmware */
		else
			step(d);
	}
}
