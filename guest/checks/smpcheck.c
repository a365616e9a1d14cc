#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/smp.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/vm.h"
#include "inc/x86.h"

/* Checks what several CPUs do together: work at once, take turns, interrupt each other. */

enum {
	ROUNDS = 200000,    /* steps of work() */
	INCREMENTS = 20000, /* by each CPU */
	PINGS = 100,
	SPINS = 1000, /* tries for a lock before smp_relax() */
	TICKS = 5,
	ONE_SHOT = 100000, /* counts of the local APIC's timer: 1 ms */
	PERIOD = 500000,   /* slow enough for a busy emulator's monitor */
	CPUIDS = 100,
	SHOT_PAGE = 3, /* page of WINDOW */
	REASON_CPUID = 10,
};

static uint64_t results[CPUS_MAX], ticks[CPUS_MAX];
static volatile uint32_t apic_ids[CPUS_MAX];

static void
note_id(unsigned int cpu)
{
	apic_ids[cpu] = lapic_read(LAPIC_ID) >> 24;
}

int
cmd_cpus(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (smp_count() == 1) {
		printf("CPU 0, alone\n");
		return 0;
	}
	smp_run(note_id);
	for (unsigned int i = 0; i < smp_count(); i++)
		printf("CPU %u, APIC id %u%s\n", i, apic_ids[i],
		       i ? "" : ", which runs this shell");
	return 0;
}

static void
check_ids(void)
{
	unsigned int right = 0;

	smp_run(note_id);
	for (unsigned int i = 0; i < smp_count(); i++)
		right += apic_ids[i] == i && lapic_read(LAPIC_ID) >> 24 == 0;
	check(right == smp_count(), "smp: %u CPUs, with APIC ids from 0", smp_count());
}

/* Each step needs the result of the one before. */
static void
work(unsigned int cpu)
{
	uint64_t x = 1, begin = rdtsc();

	for (unsigned int i = 0; i < ROUNDS; i++)
		x = (x ^ x >> 29) * 6364136223846793005u + i;
	results[cpu] = x;
	ticks[cpu] = rdtsc() - begin;
}

static void
check_work(void)
{
	uint64_t begin, all, right = 0;

	work(0);
	for (unsigned int i = 1; i < smp_count(); i++)
		results[i] = 0;
	all = ticks[0];
	begin = rdtsc();
	smp_run(work);
	begin = rdtsc() - begin;
	for (unsigned int i = 0; i < smp_count(); i++)
		right += results[i] == results[0];
	printf("     smp: work of %lu ticks on one CPU takes %lu on %u at once\n", all, begin,
	       smp_count());
	check(right == smp_count(), "smp: all CPUs compute the same");
}

static volatile uint32_t locked;
static volatile uint64_t counter;

static void
lock(void)
{
	for (unsigned int spins = 0; __atomic_exchange_n(&locked, 1, __ATOMIC_ACQUIRE); spins++) {
		pause_cpu();
		if (spins % SPINS == SPINS - 1)
			smp_relax();
	}
}

static void
unlock(void)
{
	__atomic_store_n(&locked, 0, __ATOMIC_RELEASE);
}

static void
increment(unsigned int cpu)
{
	(void)cpu;
	for (unsigned int i = 0; i < INCREMENTS; i++) {
		lock();
		counter++;
		unlock();
	}
}

static void
check_lock(void)
{
	counter = 0;
	smp_run(increment);
	check(counter == (uint64_t)INCREMENTS * smp_count(),
	      "smp: %u increments on each CPU under a lock make %lu", INCREMENTS, counter);
}

static volatile unsigned int pings[CPUS_MAX];

/* Counts a T_PING on this CPU.  The other CPUs send one back to the first. */
static void
answer(struct trapframe *tf)
{
	unsigned int cpu = smp_this();

	(void)tf;
	lapic_write(LAPIC_EOI, 0);
	__atomic_fetch_add(&pings[cpu], 1, __ATOMIC_RELAXED);
	if (cpu)
		smp_send(0, T_PING);
}

/*
 * Halts until *word has reached the value.  An interrupt that comes between the test and HLT is not
 * lost: STI lets it in only behind HLT.
 */
static void
sleep_until(const volatile unsigned int *word, unsigned int value)
{
	cli();
	while (*word < value)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	sti();
}

static void
check_pings(void)
{
	trap_set_hook(T_PING, answer);
	for (unsigned int cpu = 1; cpu < smp_count(); cpu++) {
		pings[0] = pings[cpu] = 0;
		for (unsigned int i = 1; i <= PINGS; i++) {
			smp_send((int)cpu, T_PING);
			sleep_until(&pings[0], i);
		}
		check(pings[0] == PINGS && pings[cpu] == PINGS,
		      "smp: %u interrupts to CPU %u, %u came, %u answers", PINGS, cpu, pings[cpu],
		      pings[0]);
	}
	trap_set_hook(T_PING, NULL);
}

static volatile uint64_t *shot_page;
static volatile unsigned int flushes;

static void
flush(struct trapframe *tf)
{
	(void)tf;
	invlpg((uint64_t)shot_page);
	__atomic_fetch_add(&flushes, 1, __ATOMIC_RELAXED);
	lapic_write(LAPIC_EOI, 0);
}

static void
read_page(unsigned int cpu)
{
	results[cpu] = *shot_page;
}

static bool
all_read(uint64_t value)
{
	unsigned int right = 0;

	smp_run(read_page);
	for (unsigned int i = 0; i < smp_count(); i++)
		right += results[i] == value;
	return right == smp_count();
}

/* Maps the page anew and waits until all CPUs have invalidated it. */
static void
move_page(uint64_t pa, uint64_t flags)
{
	shot_page = (uint64_t *)window_map(SHOT_PAGE, pa, flags);
	flushes = 0;
	smp_send(SMP_OTHERS, T_FLUSH);
	while (flushes != smp_count() - 1)
		smp_relax();
}

static void
check_shootdown(void)
{
	uint64_t *first = (uint64_t *)test_pages, *second = first + PAGE_SIZE / sizeof(*first);
	bool before;

	*first = 0x1111;
	*second = 0x2222;
	trap_set_hook(T_FLUSH, flush);
	move_page(mem_pa(first), PTE_P | PTE_W);
	before = all_read(*first);
	move_page(mem_pa(second), PTE_P | PTE_W);
	check(before && all_read(*second), "smp: a page that moves, moves on all CPUs");
	move_page(0, 0);
	trap_set_hook(T_FLUSH, NULL);
}

static volatile unsigned int timer_ends[CPUS_MAX];

static void
count_end(struct trapframe *tf)
{
	(void)tf;
	timer_ends[smp_this()]++;
	lapic_write(LAPIC_EOI, 0);
}

/* Takes one interrupt of this CPU's timer in one-shot mode, then TICKS in periodic mode. */
static void
use_timer(unsigned int cpu)
{
	timer_ends[cpu] = 0;
	lapic_write(LAPIC_DIVIDE, LAPIC_DIVIDE_1);
	lapic_write(LAPIC_LVT_TIMER, T_LAPIC_TIMER);
	lapic_write(LAPIC_INITIAL, ONE_SHOT);
	sleep_until(&timer_ends[cpu], 1);
	lapic_write(LAPIC_LVT_TIMER, LAPIC_PERIODIC | T_LAPIC_TIMER);
	lapic_write(LAPIC_INITIAL, PERIOD);
	while (timer_ends[cpu] < 1 + TICKS)
		__asm__ volatile("hlt");
	lapic_write(LAPIC_INITIAL, 0);
}

static void
check_timers(void)
{
	trap_set_hook(T_LAPIC_TIMER, count_end);
	smp_run(use_timer);
	check(true, "smp: the timers of all local APICs, once and %u times", TICKS);
	trap_set_hook(T_LAPIC_TIMER, NULL);
}

static void
ask_cpuid(unsigned int cpu)
{
	for (unsigned int i = 0; cpu && i < CPUIDS; i++)
		cpuid(0, 0);
}

/* Checks that the statistics leaves count exits of all CPUs.  Needs profile v2. */
static void
check_leaves(void)
{
	uint32_t before = guest_cpuid(HV_CPUID_LEAF_FIRST + 1, REASON_CPUID).eax, after;
	uint32_t expected = CPUIDS * (smp_count() - 1) + 1;

	smp_run(ask_cpuid);
	guest_count_cpuids(expected - 1);
	after = guest_cpuid(HV_CPUID_LEAF_FIRST + 1, REASON_CPUID).eax;
	if (!before)
		printf("NOTE the statistics leaves are not of profile v2\n");
	else
		check(after - before == expected,
		      "smp: %u CPUIDs of the others are in the statistics leaves, %u", expected - 1,
		      after - before - 1);
}

int
cmd_smp(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	if (smp_count() == 1) {
		printf("NOTE smp: there is one CPU\n");
		return 0;
	}
	check_ids();
	check_work();
	check_lock();
	check_pings();
	check_shootdown();
	check_timers();
	check_leaves();
	return 0;
}
