#include "guest/bench/bench.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/vm.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * `bench`: what each kind of exit costs, as a table that tools/bench.py reads.  Each row is a loop
 * timed with rdtsc, net of the empty loop.
 */

enum {
	RUNS = 2000,
	RUNS_OUTS = RUNS / 20, /* runs of 4096 bytes each */
	HYPERCALL_UNKNOWN = 0x1000,
};

static const uint8_t out_page[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));

static uint32_t empty; /* median ticks of a row's loop without the exit that it measures */

/* A benchmark: an operation with its operands, or a function that fills samples[0..n). */
struct row {
	const char *name;
	bench_op *op;
	struct bench_regs regs;
	unsigned int runs, per; /* per: operations in one run */
	void (*fill)(unsigned int n);
	bool apart; /* runs only when asked for by name */
};

static struct row rows[] = {
        {.name = "cpuid_0", .op = bench_cpuid},
        {.name = "cpuid_4fffffff", .op = bench_cpuid, .regs = {.rax = LEAF_TOTAL}},
        {.name = "hypercall", .op = bench_vmcall, .regs = {.rax = HYPERCALL_UNKNOWN}},
        {.name = "yield", .op = bench_vmcall, .regs = {.rax = HC_YIELD}},
        /* A run is two switches, if another VM yields as well. */
        {.name = "switch", .op = bench_vmcall, .regs = {.rax = HC_YIELD}, .per = 2, .apart = true},
        {.name = "rdmsr", .op = bench_rdmsr, .regs = {.rcx = MSR_APIC_BASE}},
        {.name = "wrmsr", .op = bench_wrmsr, .regs = {.rcx = MSR_BIOS_SIGN_ID}},
        {.name = "cr0", .op = bench_cr0, .per = 2},
        {.name = "out", .op = bench_out, .regs = {.rdx = UART_SCRATCH}},
        {.name = "in", .op = bench_in, .regs = {.rdx = UART_SCRATCH}},
        {.name = "outs_byte",
         .op = bench_outs,
         .regs = {.rcx = PAGE_SIZE, .rdx = UART_SCRATCH, .rsi = out_page},
         .runs = RUNS_OUTS,
         .per = PAGE_SIZE},
        {.name = "mmio_write", .op = bench_mmio_write},
        {.name = "mmio_read", .op = bench_mmio_read},
        {.name = "irq", .fill = bench_irq_pending},
        {.name = "hlt", .fill = bench_hlt_pending},
        {.name = "hlt_timer", .fill = bench_hlt_timer, .runs = RUNS / 10},
};

struct bench_counters
bench_counters(void)
{
	struct bench_counters c = {0};

	c.exits = hypercall(HC_COUNTERS, &c.vmreads, &c.vmwrites);
	return c;
}

static struct bench_counters
since(struct bench_counters from)
{
	struct bench_counters now = bench_counters();

	return (struct bench_counters){now.exits - from.exits, now.vmreads - from.vmreads,
	                               now.vmwrites - from.vmwrites};
}

static uint32_t
net(uint32_t ticks)
{
	return ticks > empty ? ticks - empty : 0;
}

static void
print_head(void)
{
	printf("%-15s %6s %6s %9s %9s %9s %9s %9s %9s\n", "row", "runs", "per", "median", "min",
	       "p95", "exits", "vmreads", "vmwrites");
}

/* Prints a row.  Subtracts what reading the counters itself adds to them. */
static void
print_row(const char *name, unsigned int runs, unsigned int per, struct bench_counters counted)
{
	struct bench_counters asking = since(bench_counters());
	struct summary s = summarize(runs);

	printf("%-15s %6u %6u %9u %9u %9u %9lu %9lu %9lu\n", name, runs, per, net(s.median),
	       net(s.min), net(s.p95), counted.exits - asking.exits,
	       counted.vmreads - asking.vmreads, counted.vmwrites - asking.vmwrites);
}

static void
run_row(const struct row *r, unsigned int most)
{
	unsigned int runs = r->runs && r->runs < most ? r->runs : most;
	struct bench_counters counted;

	if (r->fill) {
		bench_irq_start();
		bench_soft_interrupt(runs);
		empty = summarize(runs).median;
	} else {
		empty = bench_empty_loop(runs).median;
	}
	bench_mark();
	counted = bench_counters();
	if (r->fill)
		r->fill(runs);
	else
		bench_loop(r->op, &r->regs, runs);
	counted = since(counted);
	if (r->fill)
		bench_irq_stop();
	if (r->op == bench_cpuid)
		guest_count_cpuids(runs);
	print_row(r->name, runs, r->per ? r->per : 1, counted);
}

static void
touch_all(volatile uint8_t *mem, uint64_t step, unsigned int runs)
{
	for (unsigned int i = 0; i < runs; i++) {
		uint64_t from = rdtsc();

		mem[i * step] = 1;
		samples[i] = sample_of(from, rdtsc());
	}
}

/* Times one write to each page, or to each 2 MiB, of fresh RAM. */
static void
run_touch(const char *name, uint8_t *mem, uint64_t size, uint64_t step)
{
	unsigned int runs = size / step < SAMPLES_MAX ? size / step : SAMPLES_MAX;
	struct bench_counters counted;

	if (!runs)
		return;
	touch_all(test_pages, 0, runs);
	empty = summarize(runs).median;
	bench_mark();
	counted = bench_counters();
	touch_all(mem, step, runs);
	print_row(name, runs, 1, since(counted));
}

enum { TOUCH_2M = 1, TOUCH_4K = 2 };

/* Returns the TOUCH_ flags that an argument asks for. */
static unsigned int
touches_of(const char *word)
{
	if (strcmp(word, "all") == 0)
		return TOUCH_2M | TOUCH_4K;
	return strcmp(word, "touch_2m") == 0   ? TOUCH_2M
	       : strcmp(word, "touch_4k") == 0 ? TOUCH_4K
	                                       : 0;
}

/*
 * Touches all RAM that is left.  The host maps RAM in pieces of 2 MiB, and what lies behind the
 * last whole 2 MiB in pages.
 */
static void
run_touches(unsigned int touches)
{
	uint64_t pages = mem_fresh_left();
	uint8_t *mem = mem_fresh(pages), *end = mem + pages * PAGE_SIZE;
	uint8_t *large = direct(ROUND_UP(mem_pa(mem), LARGE_PAGE_SIZE));
	uint8_t *tail = direct(ROUND_DOWN(mem_ram(), LARGE_PAGE_SIZE));

	if ((touches & TOUCH_2M) && large < tail)
		run_touch("touch_2m", large, tail - large, LARGE_PAGE_SIZE);
	if ((touches & TOUCH_4K) && tail >= mem)
		run_touch("touch_4k", tail, end - tail, PAGE_SIZE);
}

/* Fills in the operands that are known only at run time. */
static void
set_operands(void)
{
	uint64_t cr0 = read_cr0();
	uint8_t *hpet = window_map(0, HPET_PA, PTE_P | PTE_W | PTE_PCD);

	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		if (rows[i].op == bench_vmcall && cpu_is_amd())
			rows[i].op = bench_vmmcall;
		if (rows[i].op == bench_cr0)
			rows[i].regs = (struct bench_regs){.rax = cr0 ^ CR0_NE, .rcx = cr0};
		if (rows[i].op == bench_mmio_write || rows[i].op == bench_mmio_read)
			rows[i].regs = (struct bench_regs){.rdx = (uint64_t)hpet + HPET_COUNTER};
	}
}

int
cmd_bench(int argc, char **argv)
{
	const char *wanted = argc > 1 ? argv[1] : "all";
	unsigned int touches = touches_of(wanted);
	bool all = strcmp(wanted, "all") == 0, found = touches;
	uint64_t n;

	if (!arg_number(argc, argv, 2, RUNS, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	if (!in_nestling()) {
		printf("bench: not in a VM of Nestling: there are no exits to measure\n");
		return STATUS_FAILED;
	}
	console_flush();
	set_operands();
	print_head();
	for (unsigned int i = 0; i < ARRAY_SIZE(rows); i++) {
		if (all ? rows[i].apart : strcmp(wanted, rows[i].name) != 0)
			continue;
		run_row(&rows[i], n);
		found = true;
	}
	if (touches)
		run_touches(touches);
	if (found)
		return 0;
	printf("bench: no row '%s'; `bench` prints them all\n", wanted);
	return STATUS_USAGE;
}
