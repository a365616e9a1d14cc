#include "guest/kernel/command.h"
#include "guest/kernel/guest.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"

/* Benchmarks: what exits cost, in TSC ticks. */

enum {
	UART_SCRATCH = COM1 + 7, /* a register that only remembers */
	PAGES_PER_MIB = 256,
	PORT_UNCLAIMED = 0x1234,
	TEXT_BYTES = UART_FIFO,
	TEXT_RUNS = 4, /* each prints a line */
};

uint32_t samples[SAMPLES_MAX];

/* Shell sort, with Ciura's gaps and then thirds: small, and fast enough for 64 Ki. */
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

static void
print_head(const char *what)
{
	printf("%-24s %10s %10s %10s %10s\n", what, "median", "min", "p95", "max");
}

static void
print_row(const char *name, struct summary s)
{
	printf("%-24s %10u %10u %10u %10u\n", name, s.median, s.min, s.p95, s.max);
}

/*
 * Times `instruction` n times.  Between the two rdtsc lie also the moves that
 * set its operands; those are the empty loop too.
 */
#define TIME(n, instruction, in_a, in_c, in_d)                          \
	do {                                                            \
		for (unsigned int i_ = 0; i_ < (n); i_++) {             \
			uint64_t a_, c_ = (in_c), d_ = (in_d), from_;   \
			from_ = rdtsc();                                \
			__asm__ volatile(instruction                    \
			                 : "=a"(a_), "+c"(c_), "+d"(d_) \
			                 : "a"((uint64_t)(in_a))        \
			                 : "rbx", "memory");            \
			samples[i_] = sample_of(from_, rdtsc());        \
		}                                                       \
	} while (0)

static struct summary
time_nothing(unsigned int n)
{
	TIME(n, "", 0, 0, 0);
	return summarize(n);
}

static struct summary
time_cpuid(unsigned int n)
{
	TIME(n, "cpuid", 0, 0, 0);
	guest_count_cpuids(n);
	return summarize(n);
}

int
cmd_cpuid(int argc, char **argv)
{
	struct summary loop, exits;
	uint64_t n;

	if (!arg_number(argc, argv, 1, 1000, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	time_nothing(n); /* touches the memory of the samples */
	loop = time_nothing(n);
	exits = time_cpuid(n);
	printf("cpuid: %lu runs of CPUID leaf 0, in ticks\n", n);
	print_head("");
	print_row("CPUID", exits);
	print_row("empty loop", loop);
	printf("%-24s %10u %10u %10u\n", "difference", exits.median - loop.median,
	       exits.min - loop.min, exits.p95 - loop.p95);
	return 0;
}

static struct summary
time_text(unsigned int n)
{
	static const char text[TEXT_BYTES + 1] = "rep outs to COM1";

	for (unsigned int i = 0; i < n; i++) {
		uint64_t from;

		putchar('\n');
		console_flush();
		console_wait();
		from = rdtsc();
		outsb(COM1, text, TEXT_BYTES);
		samples[i] = sample_of(from, rdtsc());
	}
	putchar('\n');
	return summarize(n);
}

int
cmd_io(int argc, char **argv)
{
	struct summary loop, out, in, out_none, in_none, text;
	uint64_t n;

	if (!arg_number(argc, argv, 1, 100, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	console_flush();
	time_nothing(n);
	loop = time_nothing(n);
	TIME(n, "outb %%al, %%dx", 0x5a, 0, UART_SCRATCH);
	out = summarize(n);
	check(inb(UART_SCRATCH) == 0x5a, "io: the UART's scratch register keeps what was written");
	TIME(n, "inb %%dx, %%al", 0, 0, UART_SCRATCH);
	in = summarize(n);
	TIME(n, "outb %%al, %%dx", 0, 0, PORT_UNCLAIMED);
	out_none = summarize(n);
	TIME(n, "inb %%dx, %%al", 0, 0, PORT_UNCLAIMED);
	in_none = summarize(n);
	text = time_text(n < TEXT_RUNS ? n : TEXT_RUNS);
	printf("io: %lu runs, in ticks, the empty loop included\n", n);
	print_head("");
	print_row("OUT to the UART", out);
	print_row("IN from the UART", in);
	print_row("OUT to no device", out_none);
	print_row("IN from no device", in_none);
	print_row("rep OUTS of 16 bytes", text);
	print_row("empty loop", loop);
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

		/* A byte on COM1 wakes us too: that sleep goes on. */
		while (timer_ticks() == before)
			__asm__ volatile("sti; hlt; cli" : : : "memory");
		samples[count++] = sample_of(from, rdtsc());
	}
	timer_stop();
	sti();
	printf("hlt: %lu halts, each ended by the timer at %u Hz, in ticks\n", n, TIMER_HZ);
	print_head("");
	print_row("HLT to wake-up", summarize(n));
	return 0;
}

/* Reads each page once.  Which pages are fresh is the caller's business. */
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
	print_head("");
	print_row("first touch", first);
	print_row("second touch", second);
	return 0;
}
