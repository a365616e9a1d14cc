#include "user/vm/machine.h"

#include "inc/x86.h"

/* The loop of the monitor: devices, the vCPU, and what the vCPU came back for. */

/* An exit that ends the VM: what happened, and where. */
static void
give_up(struct machine *m, const struct vm_run *run)
{
	report_vcpu(m, run);
	machine_off(m, STATUS_ERROR);
}

/* Devices whose time has come; the vCPU comes back when the next one's has. */
static void
tick(struct machine *m)
{
	m->run->deadline = clock_tsc(&m->clock, pit_tick(&m->pit));
}

static void
on_event(struct machine *m, struct vm_run *run)
{
	(void)run;
	job_requests(m);
	terminal_poll(m);
	tick(m);
}

/* The loop injects as soon as irq_ready says so: nothing else to do. */
static void
on_irq_window(struct machine *m, struct vm_run *run)
{
	(void)m;
	(void)run;
}

/* A single item lies in the low bytes of data's first word. */
static void
on_io(struct machine *m, struct vm_run *run)
{
	uint32_t port = run->io.port, size = run->io.size, count = run->io.count;
	uint32_t *value = (uint32_t *)run->data;

	if (count == 1 && run->io.in)
		*value = vdev_bus_read(&m->ports, port, size);
	else if (count == 1)
		vdev_bus_write(&m->ports, port, size, *value);
	else if (run->io.in)
		vdev_bus_read_string(&m->ports, port, size, run->data, count);
	else
		vdev_bus_write_string(&m->ports, port, size, run->data, count);
}

static void
on_console(struct machine *m, struct vm_run *run)
{
	(void)m;
	put_bytes(run->data, run->console.count);
}

static const char *
access_verb(uint32_t access)
{
	if (access & VM_ACCESS_EXEC)
		return "executed";
	return access & VM_ACCESS_WRITE ? "wrote" : "read";
}

static void
no_memory(struct machine *m, const struct vm_run *run, uint32_t access, uint64_t gpa)
{
	report_whose(m, run);
	printf("guest %s guest-physical address %#lx, where there is no memory\n",
	       access_verb(access), gpa);
	give_up(m, run);
}

static void
on_mmio(struct machine *m, struct vm_run *run)
{
	uint64_t gpa = run->mmio.gpa;
	unsigned int size = run->mmio.size;
	const struct vdev *dev = vdev_bus_find(&m->memory, gpa, size);

	if (!dev)
		no_memory(m, run, run->mmio.write ? VM_ACCESS_WRITE : VM_ACCESS_READ, gpa);
	else if (run->mmio.write)
		vdev_write(dev, gpa, size, run->mmio.value);
	else
		run->mmio.value = vdev_read(dev, gpa, size);
}

/* Says why an access to a device's memory ends the VM. */
static void
device_misused(struct machine *m, const struct vm_run *run)
{
	static const char *const texts[] = {
	        [VM_MEM_CODE] = "code is fetched from there, where only data may be",
	        [VM_MEM_TABLES] = "there are page tables, which have to be in RAM",
	        [VM_MEM_EVENT] = "an interrupt or exception needs it, whose stack has to be in RAM",
	        [VM_MEM_INSN] = "the instruction is not emulated:",
	        [VM_MEM_CROSSES] = "the operand lies in two pages, but has to be in one",
	};

	report_whose(m, run);
	printf("guest %s device memory at guest-physical address %#lx: %s",
	       access_verb(run->mem.access), run->mem.gpa, texts[run->mem.why]);
	if (run->mem.why == VM_MEM_INSN)
		report_bytes(run);
	printf("\n");
	give_up(m, run);
}

static void
on_mem(struct machine *m, struct vm_run *run)
{
	if ((run->mem.access & VM_ACCESS_EXEC) && boot_is_bios_call(run->mem.gpa)) {
		boot_report_bios_call(m, run);
		give_up(m, run);
	} else if (vdev_bus_find(&m->memory, run->mem.gpa, 1)) {
		device_misused(m, run);
	} else {
		no_memory(m, run, run->mem.access, run->mem.gpa);
	}
}

static void
on_stop(struct machine *m, struct vm_run *run)
{
	report_whose(m, run);
	printf("stopped: %s\n", run->text);
	give_up(m, run);
}

static void (*const handlers[])(struct machine *m, struct vm_run *run) = {
        [VM_EXIT_EVENT] = on_event,
        [VM_EXIT_IO] = on_io,
        [VM_EXIT_MMIO] = on_mmio,
        [VM_EXIT_MEM] = on_mem,
        [VM_EXIT_IRQ_WINDOW] = on_irq_window,
        [VM_EXIT_CONSOLE] = on_console,
        [VM_EXIT_STOP] = on_stop,
};

void
run_exit(struct machine *m, struct vm_run *run)
{
	assert(run->exit < ARRAY_SIZE(handlers));
	handlers[run->exit](m, run);
}

void
run_failed(struct machine *m, unsigned int vcpu, long err)
{
	printf(VM_NAME " %u: cannot run vCPU %u: %s\n", m->vm, vcpu, error_text(err));
	machine_off(m, STATUS_ERROR);
}

/* Tells the vCPU when the next device event is due and what its interrupt line is. */
static void
prepare(struct machine *m)
{
	struct vm_run *run = m->run;

	if (m->term.count)
		terminal_feed(m);
	if (m->pit.moved)
		tick(m);
	run->inject = 0;
	/* The acknowledge cycle takes the interrupt from the PIC, so it waits until the guest can.
	 */
	if (run->irq_ready && pic_pending(&m->pic))
		run->inject = VM_INJECT_VALID | pic_ack(&m->pic);
	run->irq_pending = pic_pending(&m->pic);
	run->irq_ready = 0;
}

static void
step(struct machine *m)
{
	long err;

	prepare(m);
	if (m->opts.break_name || m->opts.check)
		break_prepare(m);
	err = sys_vcpu_run(m->vm, m->vcpu);
	if (err < 0) {
		run_failed(m, m->vcpu, err);
		return;
	}
	run_exit(m, m->run);
}

void
run_machine(struct machine *m)
{
	while (m->state != RUN_OFF) {
		machine_reset(m);
		terminal_poll(m); /* from now on, console input makes the vCPU come back */
		smp_go(m);
		if (m->smp.count > 1)
			smp_run(m);
		while (m->state == RUN_ON)
			step(m);
		smp_stop(m);
	}
}
