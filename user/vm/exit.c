#include "user/vm/machine.h"

#include "inc/x86.h"

/* What is done about each kind of exit that the kernel leaves to the monitor. */

/* An exit that ends the VM: shows where the vCPU is. */
static void
give_up(struct driver *d)
{
	report_vcpu(d->machine, d->run);
	machine_off(d->machine, STATUS_ERROR);
}

static void
on_event(struct driver *d)
{
	if (d->index) {
		smp_wait(d);
	} else {
		job_requests(d->machine);
		terminal_poll(d->machine);
	}
	run_tick(d);
}

/* The loop injects an interrupt as soon as irq_ready says so: nothing else to do. */
static void
on_irq_window(struct driver *d)
{
	(void)d;
}

/* A single item lies in the low bytes of data's first word. */
static void
on_io(struct driver *d)
{
	struct vdev_bus *ports = &d->machine->ports;
	struct vm_run *run = d->run;
	uint32_t port = run->io.port, size = run->io.size, count = run->io.count;
	uint32_t *value = (uint32_t *)run->data;

	if (count == 1 && run->io.in)
		*value = vdev_bus_read(ports, port, size);
	else if (count == 1)
		vdev_bus_write(ports, port, size, *value);
	else if (run->io.in)
		vdev_bus_read_string(ports, port, size, run->data, count);
	else
		vdev_bus_write_string(ports, port, size, run->data, count);
}

static void
on_console(struct driver *d)
{
	put_bytes(d->run->data, d->run->console.count);
}

static const char *
access_verb(uint32_t access)
{
	if (access & VM_ACCESS_EXEC)
		return "executed";
	return access & VM_ACCESS_WRITE ? "wrote" : "read";
}

static void
no_memory(struct driver *d, uint32_t access, uint64_t gpa)
{
	report_whose(d->machine, d->run);
	printf("guest %s guest-physical address %#lx, where there is no memory\n",
	       access_verb(access), gpa);
	give_up(d);
}

static void
on_mmio(struct driver *d)
{
	struct vm_run *run = d->run;
	uint64_t gpa = run->mmio.gpa;
	unsigned int size = run->mmio.size;
	const struct vdev *dev = vdev_bus_find(&d->machine->memory, gpa, size);

	if (!dev)
		no_memory(d, run->mmio.write ? VM_ACCESS_WRITE : VM_ACCESS_READ, gpa);
	else if (run->mmio.write)
		vdev_write(dev, gpa, size, run->mmio.value);
	else
		run->mmio.value = vdev_read(dev, gpa, size);
	if (d->lapic && d->lapic->moved)
		run_tick(d);
}

/* Says why an access to a device's memory ends the VM. */
static void
device_misused(struct driver *d)
{
	static const char *const texts[] = {
	        [VM_MEM_CODE] = "code is fetched from there, and code has to be in RAM",
	        [VM_MEM_TABLES] = "a page table lies there, and page tables have to be in RAM",
	        [VM_MEM_EVENT] =
	                ("the delivery of an interrupt or exception needs it, and its stack "
	                 "and tables have to be in RAM"),
	        [VM_MEM_INSN] = "the instruction is not emulated:",
	        [VM_MEM_CROSSES] = "the operand lies in two pages, and has to be in one",
	};
	const struct vm_run *run = d->run;

	report_whose(d->machine, run);
	printf("guest %s device memory at guest-physical address %#lx: %s",
	       access_verb(run->mem.access), run->mem.gpa, texts[run->mem.why]);
	if (run->mem.why == VM_MEM_INSN)
		report_bytes(run);
	printf("\n");
	give_up(d);
}

static void
on_mem(struct driver *d)
{
	struct machine *m = d->machine;
	const struct vm_run *run = d->run;

	if ((run->mem.access & VM_ACCESS_EXEC) && boot_is_bios_call(run->mem.gpa)) {
		boot_report_bios_call(m, run);
		give_up(d);
	} else if (vdev_bus_find(&m->memory, run->mem.gpa, 1)) {
		device_misused(d);
	} else {
		no_memory(d, run->mem.access, run->mem.gpa);
	}
}

static void
on_stop(struct driver *d)
{
	report_whose(d->machine, d->run);
	printf("stopped: %s\n", d->run->text);
	give_up(d);
}

void (*const exit_handlers[VM_EXITS])(struct driver *d) = {
        [VM_EXIT_EVENT] = on_event,
        [VM_EXIT_IO] = on_io,
        [VM_EXIT_MMIO] = on_mmio,
        [VM_EXIT_MEM] = on_mem,
        [VM_EXIT_IRQ_WINDOW] = on_irq_window,
        [VM_EXIT_CONSOLE] = on_console,
        [VM_EXIT_STOP] = on_stop,
};
