#include "guest/bench/bench.h"

#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* Statistics over TSC ticks, and the benchmarks that need nothing else. */

enum { PAGES_PER_MIB = 256 };

uint32_t samples[SAMPLES_MAX];

/* Shell sort with gaps of thirds: small, and fast enough for 64 Ki samples. */
static void
sort(uint32_t *v, unsigned int n)
{
	for (unsigned int gap = n / 3 + 1;; gap = gap / 3 + 1) {
		for (unsigned int i = gap; i < n; i++) {
			uint32_t x = v[i];
			unsigned int j = i;

			for (; j >= gap && v[j - gap] > x; j -= gap)
				v[j] = v[j - gap];
			v[j] = x;
		}
		if (gap == 1)
			return;
	}
}

struct summary
summarize(unsigned int n)
{
	sort(samples, n);
	return (struct summary){
	        .median = samples[n / 2],
	        .min = samples[0],
	        .p95 = samples[(uint64_t)n * 95 / 100],
	        .max = samples[n - 1],
	};
}

uint32_t
bench_time(bench_op *op, const struct bench_regs *r)
{
	uint64_t rax = r->rax, rcx = r->rcx, rdx = r->rdx, from;
	const void *rsi = r->rsi;

	from = rdtsc();
	__asm__ volatile("call *%[op]"
	                 : "+a"(rax), "+c"(rcx), "+d"(rdx), "+S"(rsi)
	                 : [op] "r"(op)
	                 : "rbx", "memory", "cc");
	return sample_of(from, rdtsc());
}

struct summary
bench_loop(bench_op *op, const struct bench_regs *r, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		samples[i] = bench_time(op, r);
	return summarize(n);
}

struct summary
bench_empty_loop(unsigned int n)
{
	static const struct bench_regs none;

	bench_loop(bench_nothing, &none, n); /* touches the memory of the samples */
	return bench_loop(bench_nothing, &none, n);
}

void
bench_print_head(const char *what)
{
	printf("%-24s %10s %10s %10s %10s\n", what, "median", "min", "p95", "max");
}

void
bench_print_row(const char *name, struct summary s)
{
	printf("%-24s %10u %10u %10u %10u\n", name, s.median, s.min, s.p95, s.max);
}

int
cmd_cpuid(int argc, char **argv)
{
	struct summary loop, exits;
	uint64_t n;

	if (!arg_number(argc, argv, 1, 1000, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	loop = bench_empty_loop(n);
	exits = bench_loop(bench_cpuid, &(struct bench_regs){0}, n);
	guest_count_cpuids(n);
	printf("cpuid: %lu runs of CPUID leaf 0, in ticks\n", n);
	bench_print_head("");
	bench_print_row("CPUID", exits);
	bench_print_row("empty loop", loop);
	printf("%-24s %10u %10u %10u\n", "difference", exits.median - loop.median,
	       exits.min - loop.min, exits.p95 - loop.p95);
	return 0;
}

int
cmd_hlt(int argc, char **argv)
{
	uint64_t n, count = 0;

	if (!arg_number(argc, argv, 1, 10, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	console_flush();
	if (!timer_start())
		return STATUS_FAILED;
	cli();
	while (count < n) {
		uint64_t from = rdtsc(), before = timer_ticks();

		/* A byte on COM1 ends HLT, too: halt again. */
		while (timer_ticks() == before)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		samples[count++] = sample_of(from, rdtsc());
	}
	timer_stop();
	sti();
	printf("hlt: %lu halts, each ended by the timer at %u Hz, in ticks\n", n, TIMER_HZ);
	bench_print_head("");
	bench_print_row("HLT to wake-up", summarize(n));
	return 0;
}

/* Times one read of each page. */
static struct summary
touch_all(const volatile uint8_t *mem, unsigned int pages)
{
	for (unsigned int i = 0; i < pages; i++) {
		uint64_t from = rdtsc();

		(void)mem[(uint64_t)i * PAGE_SIZE];
		samples[i] = sample_of(from, rdtsc());
	}
	return summarize(pages);
}

int
cmd_touch(int argc, char **argv)
{
	struct summary first, second;
	uint64_t mib, pages;
	uint8_t *mem;

	if (!arg_number(argc, argv, 1, 4, 1, SAMPLES_MAX / PAGES_PER_MIB, &mib))
		return STATUS_USAGE;
	pages = mib * PAGES_PER_MIB;
	mem = mem_fresh(pages);
	if (!mem) {
		printf("touch: %lu MiB wanted, only %lu KiB of RAM were never touched\n", mib,
		       mem_fresh_left() * 4);
		return STATUS_FAILED;
	}
	touch_all((const volatile uint8_t *)direct(0), 1); /* warms the code up */
	first = touch_all(mem, pages);
	second = touch_all(mem, pages);
	printf("touch: %lu pages of 4 KiB, in ticks\n", pages);
	bench_print_head("");
	bench_print_row("first touch", first);
	bench_print_row("second touch", second);
	return 0;
}
