#include "kern/boot/mp.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/acpi.h"
#include "kern/dev/lapic.h"
#include "kern/dev/timer.h"
#include "kern/idt.h"
#include "kern/lock.h"
#include "kern/mem/pmap.h"
#include "kern/sched.h"
#include "lib/string.h"
#include "vmm/hv.h"

/*
 * Starting the other CPUs (SDM vol. 3, "MP Initialization for P6 Family Processors"): INIT,
 * a pause, STARTUP, and once more if nothing comes.  One at a time: there is one trampoline.
 */

enum {
	INIT_US = 10 * 1000,
	STARTUP_US = 200,
	ANSWER_US = 5 * 1000 * 1000, /* an emulator's own CPU may be busy elsewhere */
	MICROSECONDS = 1000 * 1000,

	BDA_EBDA = 0x40e, /* the real-mode segment of the extended BIOS data area */
	EBDA_SIZE = 1024,
	BIOS_AREA = 0xe0000,
	LOW_MEMORY = 0x100000,
	TSC_ROUNDS = 100,
};

/* kern/boot/ap.S */
extern const char ap_trampoline[], ap_trampoline_end[];
extern uint32_t ap_expected;
extern uint64_t ap_cr3, ap_stack;
extern void (*ap_entry)(void);

static enum { AP_COMING, AP_TSC, AP_READY, AP_REFUSED } ap_state;

/* Both CPUs' TSCs in turn. */
static struct {
	uint32_t turn;
	uint64_t tsc;
	uint64_t behind; /* the largest step back from one CPU to the other */
} tsc_check;

/* The boot loader's, or else where a BIOS leaves it (ACPI Specification, "Finding the RSDP on
 * IA-PC Systems"). */
static const void *
find_rsdp(uint64_t *size)
{
	uint64_t ebda = (uint64_t)(*(const uint16_t *)kva(BDA_EBDA)) << 4;
	const void *rsdp = NULL;

	*size = boot_info.rsdp_size;
	if (*size)
		return boot_info.rsdp;
	if (ebda && ebda + EBDA_SIZE <= LOW_MEMORY)
		rsdp = acpi_scan(kva(ebda), EBDA_SIZE);
	if (!rsdp)
		rsdp = acpi_scan(kva(BIOS_AREA), LOW_MEMORY - BIOS_AREA);
	if (rsdp)
		*size = LOW_MEMORY - kva_pa(rsdp);
	return rsdp;
}

static uint64_t
microseconds(uint64_t n)
{
	return n * tsc_hz / MICROSECONDS;
}

static void
delay(uint64_t us)
{
	for (uint64_t end = rdtsc() + microseconds(us); rdtsc() < end;)
		pause_cpu();
}

/* Has the CPU that is expected come within this time? */
static bool
comes_within(uint64_t us)
{
	for (uint64_t end = rdtsc() + microseconds(us); rdtsc() < end; pause_cpu())
		if (__atomic_load_n(&ap_expected, __ATOMIC_ACQUIRE) == AP_NOBODY)
			return true;
	return false;
}

/* From now on it may not come any more, unless it has just done so. */
static bool
give_up(uint32_t apic_id)
{
	if (!__atomic_compare_exchange_n(&ap_expected, &apic_id, AP_NOBODY, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE))
		return false;
	lapic_send_init(apic_id);
	return true;
}

static bool
wake_up(uint32_t apic_id)
{
	__atomic_store_n(&ap_expected, apic_id, __ATOMIC_RELEASE);
	lapic_send_init(apic_id);
	delay(INIT_US);
	lapic_send_startup(apic_id, AP_TRAMPOLINE);
	if (comes_within(STARTUP_US))
		return true;
	lapic_send_startup(apic_id, AP_TRAMPOLINE);
	return comes_within(ANSWER_US) || !give_up(apic_id);
}

/*
 * Accounting takes differences of TSCs that were read on different CPUs.  The two CPUs read
 * theirs in turn, and none must be smaller than the one that was read just before.
 */
static void
tsc_compare(uint32_t me)
{
	for (uint32_t turn = me; turn < 2 * TSC_ROUNDS; turn += 2) {
		uint64_t tsc;

		while (__atomic_load_n(&tsc_check.turn, __ATOMIC_ACQUIRE) != turn)
			pause_cpu();
		tsc = rdtsc();
		if (tsc_check.tsc > tsc && tsc_check.tsc - tsc > tsc_check.behind)
			tsc_check.behind = tsc_check.tsc - tsc;
		tsc_check.tsc = tsc;
		__atomic_store_n(&tsc_check.turn, turn + 1, __ATOMIC_RELEASE);
	}
}

static void
ap_says(unsigned int state)
{
	__atomic_store_n(&ap_state, state, __ATOMIC_RELEASE);
}

static unsigned int
ap_leaves(unsigned int state)
{
	unsigned int now;

	while ((now = __atomic_load_n(&ap_state, __ATOMIC_ACQUIRE)) == state)
		pause_cpu();
	return now;
}

/* Here another CPU comes from kern/boot/ap.S, on its own stack, with the kernel's page tables. */
static _Noreturn void
ap_main(void)
{
	cpu_load();
	idt_load();
	lapic_init(false);
	ap_says(AP_TSC);
	tsc_compare(1);
	if (hv_cpu_on() < 0) {
		ap_says(AP_REFUSED);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	ap_says(AP_READY);
	spin_lock(&kernel_lock);
	sched_yield();
}

/* Starts the CPU that will be number cpu_count. */
static void
start(uint32_t apic_id)
{
	cpu_setup(cpu_count);
	ap_entry = ap_main;
	ap_cr3 = kernel_pt.root;
	ap_stack = (uint64_t)cpu_at(cpu_count) + CPU_KSTACK_TOP;
	tsc_check.turn = 0;
	tsc_check.tsc = tsc_check.behind = 0;
	ap_says(AP_COMING);
	if (!wake_up(apic_id)) {
		kprintf("nestling: the CPU with APIC id %u does not start; it is not used\n",
		        apic_id);
		return;
	}
	ap_leaves(AP_COMING);
	tsc_compare(0);
	if (ap_leaves(AP_TSC) == AP_REFUSED) {
		kprintf("nestling: the CPU with APIC id %u has no %s as the first one has it; it "
		        "is "
		        "not used\n",
		        apic_id, hv_name());
		lapic_send_init(apic_id);
		return;
	}
	if (tsc_check.behind)
		kprintf("nestling: the TSCs of CPU 0 and CPU %u differ by %lu ticks: times are off "
		        "by so much\n",
		        cpu_count, (unsigned long)tsc_check.behind);
	cpu_count++;
}

static bool
is_ram(uint64_t pa)
{
	for (unsigned int i = 0; i < boot_info.mmap_count; i++)
		if (boot_info.mmap[i].usable && pa >= boot_info.mmap[i].base &&
		    pa + PAGE_SIZE <= boot_info.mmap[i].base + boot_info.mmap[i].size)
			return true;
	return false;
}

void
mp_start(void)
{
	struct acpi_cpus cpus;
	uint64_t size;
	const void *rsdp = find_rsdp(&size);
	const char *problem = "firmware left no ACPI tables";

	if (rsdp)
		problem = acpi_find_cpus(rsdp, size, &cpus);
	if (problem) {
		kprintf("nestling: only one CPU is used: %s\n", problem);
		return;
	}
	if (cpus.count > 1 && !is_ram(AP_TRAMPOLINE)) {
		kprintf("nestling: only one CPU is used: there is no memory at %#x to start "
		        "others\n",
		        AP_TRAMPOLINE);
		return;
	}
	memcpy(kva(AP_TRAMPOLINE), ap_trampoline,
	       (uint64_t)ap_trampoline_end - (uint64_t)ap_trampoline);
	for (unsigned int i = 0; i < cpus.count; i++)
		if (cpus.apic_id[i] != this_cpu()->apic_id)
			start(cpus.apic_id[i]);
	if (cpus.left_out)
		kprintf("nestling: %u more CPUs are not used: at most %d, with APIC ids to 254\n",
		        cpus.left_out, CPUS_MAX);
}
