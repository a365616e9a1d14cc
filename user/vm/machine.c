#include "user/vm/machine.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* The VM as a PC: what it is made of, and how it is put together. */

enum { SECTOR = IDE_SECTOR, SIGNATURE_AT = 510 };

/* The clock that a VM sees begins at 2000-01-01, so that runs repeat. */
#define EPOCH    946684800

#define FOUR_GIB (1ull << 32)

/* The disk image is mapped behind it. */
#define RAM_MAX ((UHEAP_BASE - UVM_RAM) / 2)

uint64_t
machine_time(void *arg)
{
	return clock_now(arg);
}

static void
uart_send(void *arg, uint8_t byte)
{
	(void)arg;
	putchar(byte);
}

static void
uart_send_bytes(void *arg, const uint8_t *bytes, size_t count)
{
	(void)arg;
	put_bytes(bytes, count);
}

static int
add_devices(struct machine *m, const struct ide_disk *disk)
{
	const struct vdev_clock clock = {.now = machine_time, .arg = &m->clock};
	const struct uart_output out = {.tx = uart_send, .tx_bytes = uart_send_bytes};
	const struct cmos_config cmos = {
	        .epoch = EPOCH,
	        .low_ram = m->opts.ram < FOUR_GIB ? m->opts.ram : FOUR_GIB,
	        .high_ram = m->opts.ram < FOUR_GIB ? 0 : m->opts.ram - FOUR_GIB,
	};
	struct vdev_irq timer_irq = pic_line(&m->pic, 0);
	struct vdev_irq uart_irq = pic_line(&m->pic, UART_COM1_IRQ);
	struct vdev_irq ide_irq = pic_line(&m->pic, IDE_IRQ);

	clock_init(&m->clock);
	pic_reset(&m->pic);
	pit_init(&m->pit, &clock, &timer_irq);
	uart_init(&m->uart, &out, &uart_irq);
	cmos_init(&m->cmos, &clock, &cmos);
	ide_init(&m->ide, disk, &ide_irq);
	hpet_init(&m->hpet, &clock);
	if (pic_attach(&m->pic, &m->ports) < 0 || pit_attach(&m->pit, &m->ports) < 0 ||
	    uart_attach(&m->uart, &m->ports, UART_COM1) < 0 ||
	    cmos_attach(&m->cmos, &m->ports) < 0 || ide_attach(&m->ide, &m->ports) < 0 ||
	    hpet_attach(&m->hpet, &m->memory) < 0)
		return -1;
	return control_attach(m);
}

static bool
is_bootable(const struct options *o, const struct ide_disk *disk)
{
	const uint8_t *signature = disk->data + SIGNATURE_AT;

	if (o->kernel)
		return kernel_check(o, disk);
	if (signature[0] == 0x55 && signature[1] == 0xaa)
		return true;
	printf(VM_NAME
	       ": %s: not bootable: expected the signature 55 aa at byte %d, found %02x %02x\n",
	       o->image, SIGNATURE_AT, signature[0], signature[1]);
	return false;
}

/* Maps the disk image as memory of our own at `data`; says so when it cannot be booted. */
static bool
open_image(const struct options *o, uint8_t *data, struct ide_disk *disk)
{
	const char *name = o->image;
	long size = sys_file_map(name, data);

	if (size == -E_NOT_FOUND) {
		printf(VM_NAME ": %s: no such disk image\n", name);
	} else if (size < 0) {
		printf(VM_NAME ": %s: %s\n", name, error_text(size));
	} else if (size == 0) {
		printf(VM_NAME ": %s: the disk image is empty\n", name);
	} else if (size < SECTOR) {
		printf(VM_NAME ": %s: the disk image has %ld bytes, but a boot sector has %d\n",
		       name, size, SECTOR);
	} else {
		*disk = (struct ide_disk){.data = data, .size = size};
		return is_bootable(o, disk);
	}
	return false;
}

/* Touches each page, so that the kernel puts memory there now. */
static void
populate(volatile uint8_t *ram, uint64_t size)
{
	for (uint64_t at = 0; at < size; at += PAGE_SIZE)
		ram[at] = 0;
}

/* Gives the VM its RAM: all of gpa 0 to its size but the BIOS's part. */
static long
map_ram(struct machine *m)
{
	const uint64_t behind = BIOS_GPA + BIOS_SIZE;
	long err = sys_mem_map(m->ram, m->opts.ram);

	if (err == 0)
		err = sys_vm_map(m->vm, 0, m->ram, BIOS_GPA);
	if (err == 0 && m->opts.ram > behind)
		err = sys_vm_map(m->vm, behind, m->ram + behind, m->opts.ram - behind);
	if (err == 0 && m->opts.populate)
		populate(m->ram, m->opts.ram);
	return err;
}

static void
say_no_memory(const struct options *o)
{
	struct sys_info info;

	sys_sys_info(&info);
	printf(VM_NAME ": -m: a VM of %lu KiB does not fit into what the host has free, %lu KiB\n",
	       o->ram >> 10, (info.pages_free - info.pages_reserved) * 4);
}

static void
say_no_hv(void)
{
	struct hv_caps caps;

	sys_hv_caps(&caps);
	printf(VM_NAME ": no VMs: %s\n", caps.refusal);
}

/*
 * Decides on the kind of paging.  False, after one line, when the CPU does not run such a VM; one
 * that runs none at all says so when the VM is created.
 */
static bool
cpu_suffices(struct options *o)
{
	struct hv_caps caps;

	sys_hv_caps(&caps);
	if (o->paging == VM_PAGINGS)
		o->paging = caps.usable && !caps.nested ? VM_PAGING_SHADOW : VM_PAGING_NESTED;
	if (caps.nested || !caps.usable)
		return true;
	if (o->paging == VM_PAGING_NESTED)
		printf(VM_NAME ": --paging=nested: this CPU has none: %s\n", caps.refusal);
	else if (!o->kernel)
		printf(VM_NAME
		       ": %s: a disk boots in real mode, and without nested paging this CPU "
		       "cannot run a guest in real mode; use " VM_NAME " --kernel %s\n",
		       o->image, o->image);
	else if (o->cpus > 1)
		printf(VM_NAME
		       ": --cpus=%u: all CPUs but the first start in real mode, and without "
		       "nested paging this CPU cannot run a guest in real mode; use --cpus=1\n",
		       o->cpus);
	else
		return true;
	return false;
}

static long
create_vm(struct machine *m)
{
	struct vm_config config = {
	        .ram = m->opts.ram,
	        .leaves = m->opts.leaves,
	        .trace = m->opts.trace,
	        .paging = m->opts.paging,
	};
	long id;

	strlcpy(config.name, m->opts.image, sizeof config.name);
	id = sys_vm_create(&config);
	if (id >= 0)
		m->vm = id;
	return id;
}

int
machine_create(struct machine *m, const struct options *o)
{
	struct ide_disk disk;
	long err;

	m->opts = *o;
	m->state = RUN_ON;
	m->ram = (uint8_t *)UVM_RAM;
	m->run = (struct vm_run *)URUN_BASE;
	if (o->ram > RAM_MAX) {
		say_no_memory(o);
		return STATUS_ERROR;
	}
	if (!open_image(o, m->ram + o->ram, &disk) ||
	    (o->break_name && !break_known(o->break_name)) || !cpu_suffices(&m->opts))
		return STATUS_ERROR;
	err = create_vm(m);
	if (err >= 0)
		err = map_ram(m);
	if (err >= 0 && add_devices(m, &disk) < 0)
		err = -E_LIMIT;
	if (err >= 0)
		err = smp_create(m);
	if (err >= 0)
		return STATUS_OK;

	if (err == -E_NO_HV)
		say_no_hv();
	else if (err == -E_NO_MEM)
		say_no_memory(o);
	else
		printf(VM_NAME ": cannot create the VM: %s\n", error_text(err));
	return STATUS_ERROR;
}

/* vCPU 0 comes first, whose TSC the others take over. */
static void
reset_vcpus(struct machine *m)
{
	for (unsigned int i = 0; i < m->smp.count; i++) {
		long err;

		/* Another's thread may just be about to sleep. */
		while ((err = sys_vcpu_reset(m->vm, i)) == -E_AGAIN)
			sys_env_yield();
		if (err < 0)
			panic("vCPU %u refuses a reset: %s", i, error_text(err));
	}
}

void
machine_reset(struct machine *m)
{
	pic_reset(&m->pic);
	pit_reset(&m->pit);
	uart_reset(&m->uart);
	cmos_reset(&m->cmos);
	ide_reset(&m->ide);
	hpet_reset(&m->hpet);
	lapics_reset(&m->lapics);
	control_reset(m);
	reset_vcpus(m);
	m->run->irq_ready = 0;
	m->state = RUN_ON;
	if (m->opts.kernel)
		kernel_prepare(m);
	else
		boot_prepare(m);
}

void
machine_hold(struct machine *m)
{
	if (m->holds++)
		return;
	smp_stop(m);
	m->held_since = rdtsc();
}

void
machine_release(struct machine *m)
{
	uint64_t ticks = rdtsc() - m->held_since;

	if (--m->holds)
		return;
	m->clock.start += ticks;
	for (unsigned int i = 0; i < m->smp.count; i++)
		/* Another's thread may just be about to sleep again. */
		while (sys_vcpu_set_back(m->vm, i, ticks) == -E_AGAIN)
			sys_env_yield();
	smp_go(m);
}

void
machine_restart(struct machine *m)
{
	if (m->state == RUN_ON)
		m->state = RUN_RESET;
}

void
machine_off(struct machine *m, int status)
{
	if (m->state == RUN_OFF)
		return;
	m->state = RUN_OFF;
	m->status = status;
}
