#include "guest/kernel/smp.h"

#include "guest/boot/boot.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/vm.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The other CPUs.  CPUID leaf 1 says how many there are; their APIC ids count from 0.  Each CPU is
 * started with INIT and start-up IPIs, and then sleeps until it has a function to run.
 */

enum {
	LAPIC_PAGE = WINDOW_PAGES - 1, /* the page of WINDOW that shows the local APIC */
	SVR_ENABLE = 1 << 8,
	ICR_INIT = 5 << 8,
	ICR_STARTUP = 6 << 8,
	ICR_ASSERT = 1 << 14,
	ICR_LEVEL = 1 << 15,
	ICR_OTHERS = 3 << 18,
	STARTS = 2, /* start-up IPIs: the second is for a CPU that missed the first */
};

/* TSC ticks after which a CPU that has not started counts as dead. */
#define START_PATIENCE 2000000000ull

/* The register values that smpentry.S loads. */
struct smp_parameters {
	uint64_t cr0, cr3, cr4, efer, stack, cpu;
};
extern const char smp_code[], smp_code_end[];
extern const struct smp_parameters smp_parameters;
/* smpentry.S calls this on each of the other CPUs. */
_Noreturn void smp_main(uint64_t cpu);

static struct worker {
	volatile bool alive;
	void (*volatile fn)(unsigned int cpu); /* NULL: the CPU is idle */
} workers[CPUS_MAX];
static uint8_t stacks[CPUS_MAX - 1][STACK_SIZE] __attribute__((aligned(16)));
static unsigned int count = 1;
static volatile uint32_t *lapic;

uint32_t
lapic_read(unsigned int reg)
{
	return lapic[reg / sizeof(*lapic)];
}

void
lapic_write(unsigned int reg, uint32_t value)
{
	lapic[reg / sizeof(*lapic)] = value;
}

unsigned int
smp_count(void)
{
	return count;
}

unsigned int
smp_this(void)
{
	uint64_t offset = (uint64_t)__builtin_frame_address(0) - (uint64_t)stacks;

	return offset < sizeof(stacks) ? offset / STACK_SIZE + 1 : 0;
}

void
smp_relax(void)
{
	uint64_t unused = 0;

	pause_cpu();
	hypercall(HC_YIELD, &unused, &unused);
}

static void
send(int cpu, uint32_t icr)
{
	if (cpu == SMP_OTHERS) {
		lapic_write(LAPIC_ICR, icr | ICR_OTHERS);
		return;
	}
	lapic_write(LAPIC_ICR_HIGH, (uint32_t)cpu << 24);
	lapic_write(LAPIC_ICR, icr);
}

void
smp_send(int cpu, unsigned int vector)
{
	send(cpu, ICR_ASSERT | vector);
}

static void
acknowledge(struct trapframe *tf)
{
	(void)tf;
	lapic_write(LAPIC_EOI, 0);
}

static void
lapic_init(void)
{
	lapic_write(LAPIC_SVR, SVR_ENABLE | T_SPURIOUS);
}

_Noreturn void
smp_main(uint64_t cpu)
{
	struct worker *w = &workers[cpu];

	trap_init_other((unsigned int)cpu);
	lapic_init();
	w->alive = true;
	for (;;) {
		cli();
		while (!w->fn)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		sti();
		w->fn((unsigned int)cpu);
		w->fn = NULL;
	}
}

void
smp_run(void (*fn)(unsigned int cpu))
{
	for (unsigned int i = 1; i < count; i++)
		workers[i].fn = fn;
	if (count > 1)
		smp_send(SMP_OTHERS, T_CALL);
	fn(0);
	for (unsigned int i = 1; i < count; i++)
		while (workers[i].fn)
			smp_relax();
}

/* Copies the start-up code to SMP_START, with control registers like this CPU's and a stack. */
static void
prepare_start(unsigned int cpu, uint64_t cr3)
{
	char *code = direct(SMP_START);
	const struct smp_parameters p = {
	        .cr0 = read_cr0(),
	        .cr3 = cr3,
	        .cr4 = read_cr4(),
	        .efer = rdmsr(MSR_EFER),
	        .stack = (uint64_t)stacks[cpu - 1] + STACK_SIZE,
	        .cpu = cpu,
	};

	memcpy(code, smp_code, (size_t)((uintptr_t)smp_code_end - (uintptr_t)smp_code));
	memcpy(code + ((uintptr_t)&smp_parameters - (uintptr_t)smp_code), &p, sizeof(p));
}

static bool
start(unsigned int cpu, uint64_t cr3)
{
	prepare_start(cpu, cr3);
	send(cpu, ICR_INIT | ICR_ASSERT | ICR_LEVEL);
	send(cpu, ICR_INIT | ICR_LEVEL);
	for (unsigned int i = 0; i < STARTS; i++) {
		uint64_t begin = rdtsc();

		send(cpu, ICR_STARTUP | ICR_ASSERT | SMP_START >> PAGE_SHIFT);
		while (!workers[cpu].alive && rdtsc() - begin < START_PATIENCE)
			smp_relax();
	}
	return workers[cpu].alive;
}

void
smp_init(void)
{
	unsigned int there = cpu_processors();
	uint64_t cr3;

	if (!in_nestling() || !cpu_has(CPUID_1_EDX, CPUID1_EDX_APIC) ||
	    !cpu_has(CPUID_1_EDX, CPUID1_EDX_HTT) || there < 2)
		return;
	lapic = (uint32_t *)window_map(LAPIC_PAGE, rdmsr(MSR_APIC_BASE) & PTE_ADDR,
	                               PTE_P | PTE_W | PTE_PCD | PTE_PWT);
	lapic_init();
	trap_set_hook(T_CALL, acknowledge);
	cr3 = mem_map_low(true);
	while (count < there && count < CPUS_MAX && start(count, cr3))
		count++;
	mem_map_low(false);
	if (count < there)
		printf("guest: CPU %u of %u does not start\n", count, there);
}
