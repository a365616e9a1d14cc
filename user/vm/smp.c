#include "user/vm/machine.h"

#include "inc/memlayout.h"
#include "inc/x86.h"

/*
 * The threads of a VM with several vCPUs, but the first one: created, stopped with the machine, and
 * waiting until their vCPU is started.
 */

enum { STACK_SIZE = 0x8000, STACK_DISTANCE = 2 * USTACK_SIZE };

/* Wakes the first vCPU's thread for what the caller's vCPU may have done to the devices. */
static void
tell_first(struct machine *m)
{
	if (m->pit.moved || (pic_pending(&m->pic) && !m->run->irq_pending))
		sys_vcpu_kick(m->vm, 0);
}

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

long
smp_enter(struct driver *d)
{
	long err;

	if (d->index)
		tell_first(d->machine);
	unlock(d);
	err = sys_vcpu_run(d->machine->vm, d->index);
	lock(d);
	return err;
}

/* Has the vCPU got an INIT, after which only a start-up IPI makes it run? */
static bool
must_start(const struct driver *d)
{
	return d->lapic->waits || d->lapic->init;
}

/* A local APIC has something for its vCPU, which looks before each run. */
static void
lapic_event(void *arg, unsigned int index, bool level)
{
	struct machine *m = arg;

	(void)level;
	/* INIT sends the first processor to the firmware. */
	if (index == 0 && m->lapics.cpu[0].init)
		machine_restart(m);
	if (index != m->lapics.selected || must_start(&m->smp.driver[index]))
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

	if (s->stops++)
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

	if (--s->stops)
		return;
	for (unsigned int i = 1; i < s->count; i++)
		sys_vcpu_kick(m->vm, i);
}

/* After INIT or a reset: halted until the start-up IPI, and on where that says. */
static void
wait_for_start(struct driver *d)
{
	struct machine *m = d->machine;
	struct lapic *l = d->lapic;

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
}

void
smp_wait(struct driver *d)
{
	while (standing(d->machine) || must_start(d))
		if (standing(d->machine))
			stand(d);
		else
			wait_for_start(d);
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
		smp_wait(d);
		run_vcpu(d);
	}
}

/* Returns when the vCPU is there, since vCPUs are numbered in the order of their creation. */
static long
start_thread(struct driver *d)
{
	struct smp *s = &d->machine->smp;
	char *top = (char *)USTACK_TOP - d->index * STACK_DISTANCE;
	long err = sys_mem_map(top - STACK_SIZE, STACK_SIZE);

	if (err == 0)
		err = sys_thread(drive, top - sizeof(uint64_t), d);
	while (err >= 0 && s->created < d->index)
		sys_mem_wait(&s->created, d->index - 1);
	return err < 0 ? err : d->created;
}

static int
add_lapics(struct machine *m)
{
	const struct vdev_clock clock = {.now = machine_time, .arg = &m->clock};
	const struct vdev_irq event = {.set = lapic_event, .arg = m};

	lapics_init(&m->lapics, m->smp.count, &clock, &event);
	for (unsigned int i = 0; i < m->smp.count; i++)
		m->smp.driver[i].lapic = &m->lapics.cpu[i];
	return lapics_attach(&m->lapics, &m->memory);
}

long
smp_create(struct machine *m)
{
	struct smp *s = &m->smp;
	long err;

	s->count = m->opts.cpus;
	s->stops = 1; /* until the machine runs */
	s->running = s->count - 1;
	for (unsigned int i = 0; i < s->count; i++)
		s->driver[i] = (struct driver){.machine = m, .index = i, .run = &m->run[i]};
	err = sys_vcpu_create(m->vm, m->run);
	if (err < 0 || s->count == 1)
		return err;
	if (add_lapics(m) < 0)
		return -E_LIMIT;
	lock(&s->driver[0]);
	for (unsigned int i = 1; i < s->count && err >= 0; i++)
		err = start_thread(&s->driver[i]);
	return err < 0 ? err : 0;
}
