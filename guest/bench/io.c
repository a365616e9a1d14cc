#include "guest/bench/bench.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/error.h"
#include "inc/mmu.h"
#include "inc/vm.h"
#include "inc/x86.h"

/*
 * `io`: what port accesses cost, and three ways to print a text: with one exit for each byte, for
 * each full FIFO, or for the whole text.
 */

enum { PORT_UNCLAIMED = 0x1234 };

static const char text[] = "The quick brown fox jumps over the lazy dog 0123456789, again!\r\n";
enum { TEXT_BYTES = sizeof(text) - 1 };
_Static_assert(TEXT_BYTES % UART_FIFO == 0, "the text is some full FIFOs");

/* Full virtualization: the driver of a real UART.  In a VM each access is an exit. */
static int64_t
print_by_out(void)
{
	for (unsigned int i = 0; i < TEXT_BYTES; i++) {
		if (i % UART_FIFO == 0)
			console_wait();
		outb(COM1, text[i]);
	}
	return 0;
}

/* Full virtualization with string instructions: one exit for each full FIFO. */
static int64_t
print_by_outs(void)
{
	for (unsigned int i = 0; i < TEXT_BYTES; i += UART_FIFO) {
		console_wait();
		outsb(COM1, text + i, UART_FIFO);
	}
	return 0;
}

/* Paravirtualization: the guest knows that it runs in a VM and asks the hypervisor to print. */
static int64_t
print_by_hypercall(void)
{
	uint64_t gva = (uint64_t)text, bytes = TEXT_BYTES;

	return hypercall(HC_CONSOLE_WRITE, &gva, &bytes);
}

static const struct way {
	const char *name;
	int64_t (*print)(void); /* returns 0 or an error */
} ways[] = {
        {"OUT of each byte", print_by_out},
        {"rep OUTS of 16 bytes", print_by_outs},
        {"hypercall", print_by_hypercall}, /* last: only in a VM of Nestling's */
};

struct cost {
	int64_t error;
	uint32_t exits, ticks;
};

static struct cost
measure(const struct way *way)
{
	uint32_t exits = guest_cpuid(LEAF_TOTAL, 0).eax;
	struct cost cost = {0};
	uint64_t from = rdtsc();

	cost.error = way->print();
	cost.ticks = sample_of(from, rdtsc());
	if (in_nestling())
		cost.exits = guest_cpuid(LEAF_TOTAL, 0).eax - exits - 1; /* less the CPUID's */
	return cost;
}

static void
compare_ways(void)
{
	unsigned int count = in_nestling() ? ARRAY_SIZE(ways) : ARRAY_SIZE(ways) - 1;
	struct cost cost[ARRAY_SIZE(ways)];

	console_flush();
	console_wait();
	for (unsigned int i = 0; i < count; i++)
		cost[i] = measure(&ways[i]);
	printf("io: the same %u bytes, printed in these ways; exits are those of leaf %xh, ticks "
	       "include the host's printing\n",
	       TEXT_BYTES, LEAF_TOTAL);
	printf("%-24s %10s %10s %10s\n", "", "exits", "ticks", "per byte");
	for (unsigned int i = 0; i < count; i++) {
		printf("%-24s %10u %10u %10u\n", ways[i].name, cost[i].exits, cost[i].ticks,
		       cost[i].ticks / TEXT_BYTES);
		if (cost[i].error)
			check(false, "io: %s printed nothing, error %ld", ways[i].name,
			      cost[i].error);
	}
}

/* Checks that a hypercall to print fails with this error. */
static void
check_refused(const char *what, uint64_t gva, uint64_t bytes, int64_t error)
{
	int64_t result = hypercall(HC_CONSOLE_WRITE, &gva, &bytes);

	check(result == error, "io: a hypercall that prints %s is refused (%ld)", what, result);
}

static void
check_hypercall(void)
{
	uint64_t page = (uint64_t)window_map(0, mem_pa(test_pages), PTE_P);

	check_refused("too much", (uint64_t)text, VM_IO_BYTES + 1, -E_INVAL);
	check_refused("endlessly", (uint64_t)text, UINT64_MAX, -E_INVAL);
	check_refused("what is not mapped", page + PAGE_SIZE, 1, -E_FAULT);
	check_refused("beyond what is mapped", page + PAGE_SIZE - 1, 2, -E_FAULT);
	check_refused("from nowhere", NON_CANONICAL, 1, -E_FAULT);
	window_map(1, VM_GPA_LIMIT / 2, PTE_P);
	check_refused("what is not RAM", page + PAGE_SIZE, 1, -E_FAULT);
	window_map(0, 0, 0);
	window_map(1, 0, 0);
}

static const struct {
	const char *name;
	bench_op *op;
	struct bench_regs regs;
} accesses[] = {
        {"OUT to the UART", bench_out, {.rax = 0x5a, .rdx = UART_SCRATCH}},
        {"IN from the UART", bench_in, {.rdx = UART_SCRATCH}},
        {"OUT to no device", bench_out, {.rdx = PORT_UNCLAIMED}},
        {"IN from no device", bench_in, {.rdx = PORT_UNCLAIMED}},
        {"empty loop", bench_nothing, {0}},
};

int
cmd_io(int argc, char **argv)
{
	struct summary summary[ARRAY_SIZE(accesses)];
	uint64_t n;

	if (!arg_number(argc, argv, 1, 100, 1, SAMPLES_MAX, &n))
		return STATUS_USAGE;
	console_flush();
	bench_empty_loop(n);
	for (unsigned int i = 0; i < ARRAY_SIZE(accesses); i++)
		summary[i] = bench_loop(accesses[i].op, &accesses[i].regs, n);
	check(inb(UART_SCRATCH) == 0x5a, "io: the UART's scratch register keeps what was written");
	printf("io: %lu runs, in ticks, the empty loop included\n", n);
	bench_print_head("");
	for (unsigned int i = 0; i < ARRAY_SIZE(accesses); i++)
		bench_print_row(accesses[i].name, summary[i]);
	compare_ways();
	if (in_nestling())
		check_hypercall();
	return 0;
}
