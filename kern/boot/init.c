#include "inc/error.h"
#include "inc/x86.h"
#include "kern/audit/audit.h"
#include "kern/boot/initrd.h"
#include "kern/boot/mp.h"
#include "kern/boot/multiboot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/crash.h"
#include "kern/dev/timer.h"
#include "kern/env.h"
#include "kern/idt.h"
#include "kern/ipi.h"
#include "kern/lock.h"
#include "kern/mem/pmap.h"
#include "kern/mem/tlb.h"
#include "kern/sched.h"
#include "kern/switchlog.h"
#include "lib/assert.h"
#include "vmm/hv.h"

#define NESTLING_VERSION "0.1"
#define MIB              (1024 * 1024)

void kernel_main(uint64_t info_pa);

static void
banner(void)
{
	struct page_counts pages;

	page_counts(&pages);
	kprintf("\nNestling %s, a small hypervisor\n\n", NESTLING_VERSION);
	if (cpu_count > 1)
		kprintf("  CPUs    %u: ", cpu_count);
	else
		kprintf("  CPU     ");
	kprintf("%s, %lu MHz\n", hv_caps.cpu, (unsigned long)((tsc_hz + 500000) / 1000000));
	kprintf("  memory  %lu MiB, %lu MiB free\n", (unsigned long)(pages.total * PAGE_SIZE / MIB),
	        (unsigned long)(pages.free * PAGE_SIZE / MIB));
	if (hv_name() && hv_caps.nested)
		kprintf("  VMs     on %s\n\n", hv_name());
	else if (hv_name())
		kprintf("  VMs     on %s without nested paging: shadow paging, and guests begin by "
		        "vm --kernel\n\n",
		        hv_name());
	else
		kprintf("  VMs     none: %s\n\n", hv_caps.refusal);
}

/* The first process; every other one descends from it. */
static void
start_init(void)
{
	static const char *const argv[] = {"init"};
	struct env *e;
	int err = env_spawn(argv[0], ARRAY_SIZE(argv), argv, 0, &e);

	if (err < 0)
		panic("cannot start init from the initrd: %s", error_text(err));
}

/* On the CPU's own stack, with the kernel's own page tables. */
static void
kernel_main_on_cpu(void)
{
	cpu_load();
	cpu_count = 1;
	/* The holder may wait for a CPU that waits for the lock, and change what its TLB holds. */
	kernel_lock.waiting = cpu_answer;
	kernel_lock.waited = tlb_catch_up;
	page_check();
	spin_lock(&kernel_lock);
	pmap_check();
	timer_init();
	initrd_init();
	env_init();
	hv_init();
	mp_start();
	banner();
	switchlog_init();
	start_init();
	sched_yield();
}

/* From kern/boot/entry.S, on the boot stack. */
void
kernel_main(uint64_t info_pa)
{
	crash_init();
	idt_init();
	console_init();
	multiboot_init(info_pa);
	pmap_init();
	audit_init();
	cpu_setup(0);
	stack_switch((char *)cpu_at(0) + CPU_KSTACK_TOP, kernel_main_on_cpu);
}
