#include "guest/boot/boot.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* Exceptions and interrupts: each arrives once, with the right error code and RIP. */

enum {
	REQUEST_POLLS = 10000000, /* reads of the 8259, far more than a tick takes */
	REQUEST_COUNT = 10,       /* periods of the PIT's clock */
};

static volatile uint64_t irq_rip;
static trap_hook *timer_hook;

static void
divide_by_zero(void *arg)
{
	(void)arg;
	__asm__ volatile("divl %%ecx" : : "a"(1), "d"(0), "c"(0));
}

static void
ud2(void *arg)
{
	(void)arg;
	__asm__ volatile("ud2");
}

static void
int3(void *arg)
{
	(void)arg;
	__asm__ volatile("int3");
}

static void
int_without_gate(void *arg)
{
	(void)arg;
	__asm__ volatile("int %0" : : "i"(T_STUBS));
}

static void
load_bad_selector(void *arg)
{
	(void)arg;
	__asm__ volatile("movw %w0, %%ds" : : "r"(SEL_BAD));
}

static void
read_unmapped(void *arg)
{
	(void)arg;
	(void)*(volatile uint8_t *)WINDOW;
}

static void
write_text(void *arg)
{
	(void)arg;
	*(volatile uint8_t *)cmd_int = 0;
}

static void
execute_data(void *arg)
{
	((void (*)(void))arg)();
}

struct expected {
	const char *what;
	void (*fn)(void *);
	void *arg;
	unsigned int vector;
	uint64_t error;
	uint64_t cr2; /* 0: not checked */
};

static const struct expected exceptions[] = {
        {"division by zero", divide_by_zero, NULL, X86_DE, 0, 0},
        {"UD2", ud2, NULL, X86_UD, 0, 0},
        {"INT3", int3, NULL, X86_BP, 0, 0},
        {"a selector beyond the GDT", load_bad_selector, NULL, X86_GP, SEL_BAD, 0},
        {"read of an absent page", read_unmapped, NULL, X86_PF, 0, WINDOW},
        {"write to the kernel's text", write_text, NULL, X86_PF, PF_P | PF_W, (uint64_t)cmd_int},
        {"execution of data", execute_data, test_pages, X86_PF, PF_P | PF_I, (uint64_t)test_pages},
};

static void
check_exception(const struct expected *e)
{
	uint64_t before = trap_count(e->vector);
	struct fault f = {0};
	bool faulted = try_run(e->fn, e->arg, &f);

	check(faulted && f.vector == e->vector && f.error == e->error &&
	              (e->cr2 == 0 || f.cr2 == e->cr2) && trap_count(e->vector) == before + 1,
	      "int: %s gets %s, error %lx", e->what, trap_name(e->vector), e->error);
}

static void
check_no_gate(void)
{
	struct fault f = {0};
	bool faulted = try_run(int_without_gate, NULL, &f);

	check(faulted && f.vector == X86_GP && trap_error_names(f.error, T_STUBS),
	      "int: INT n without a gate gets #GP, error %lx", f.error);
}

static void
record_rip(struct trapframe *tf)
{
	irq_rip = tf->rip;
}

static void
check_software(void)
{
	uint64_t rip, before = trap_count(T_SOFT);

	trap_set_hook(T_SOFT, record_rip);
	__asm__ volatile("leaq 1f(%%rip), %0\n\t"
	                 "int %1\n"
	                 "1:"
	                 : "=&r"(rip)
	                 : "i"(T_SOFT)
	                 : "memory");
	trap_set_hook(T_SOFT, NULL);
	check(trap_count(T_SOFT) == before + 1 && irq_rip == rip,
	      "int: INT n arrives once and returns behind itself");
}

static void
tick_and_record(struct trapframe *tf)
{
	irq_rip = tf->rip;
	timer_hook(tf);
}

/*
 * Makes one interrupt of the timer's pending, and no other.  The caller has cleared IF.  Returns
 * false, after a failed check, if the request does not come.
 */
static bool
make_request(void)
{
	timer_one_shot(REQUEST_COUNT);
	for (int i = 0; i < REQUEST_POLLS; i++) {
		if (irq_requested() & 1 << IRQ_TIMER)
			return true;
	}
	return check(false, "int: the timer's request becomes pending at the 8259");
}

/*
 * STI blocks interrupts for one instruction.  A pending interrupt must come right after that
 * instruction, also when a hypervisor executes the instruction and must end the blocking itself.
 */
#define CHECK_STI(name, operands, instruction)                                  \
	do {                                                                    \
		uint64_t rip_, ticks_;                                          \
		cli();                                                          \
		if (!make_request())                                            \
			break;                                                  \
		ticks_ = timer_ticks();                                         \
		__asm__ volatile("leaq 1f(%%rip), %0\n\t" operands "\n\t"       \
		                 "sti\n\t" instruction "\n"                     \
		                 "1:\tnop\n\t"                                  \
		                 "nop\n\t"                                      \
		                 "cli"                                          \
		                 : "=&r"(rip_)                                  \
		                 :                                              \
		                 : "rax", "rbx", "rcx", "rdx", "memory", "cc"); \
		check(timer_ticks() == ticks_ + 1 && irq_rip == rip_,           \
		      "int: a pending interrupt comes right after STI; " name); \
	} while (0)

/*
 * The instruction behind STI may cause an EPT or NPT fault, which the guest does not see.  When it
 * runs again, interrupts must still be blocked for it.
 */
static void
check_blocking_kept(void)
{
	volatile uint8_t *page = mem_fresh_alone();
	uint64_t store, ticks;

	if (!page) {
		printf("int: one check left out: it needs 2 MiB of memory never touched\n");
		return;
	}
	cli();
	if (!make_request())
		return;
	ticks = timer_ticks();
	__asm__ volatile("leaq 1f(%%rip), %0\n\t"
	                 "sti\n"
	                 "1:\tmovb $1, (%1)"
	                 : "=&r"(store)
	                 : "r"(page)
	                 : "memory");
	inb(COM1_LSR); /* a host may need an exit to see that blocking has ended */
	cli();
	check(timer_ticks() == ticks + 1 && irq_rip > store,
	      "int: STI still blocks for an instruction that the host runs again");
}

static void
check_masking(void)
{
	uint64_t before;

	cli();
	if (!make_request())
		return;
	before = timer_ticks();
	guest_cpuid(0, 0);
	inb(COM1_LSR);
	check(timer_ticks() == before, "int: no interrupt while IF is clear, across exits too");
	CHECK_STI("NOP", "", "nop");
	CHECK_STI("CPUID", "xorl %%eax, %%eax", "cpuid");
	guest_count_cpuids(1);
	CHECK_STI("OUT", "movl $0x1234, %%edx", "outb %%al, %%dx");
	CHECK_STI("HLT", "", "hlt");
	check_blocking_kept();
	sti();
}

static void
check_ticks(uint64_t n)
{
	uint64_t start, taken, from = rdtsc();

	cli();
	start = timer_ticks();
	taken = trap_count(T_IRQ + IRQ_TIMER);
	while (timer_ticks() - start < n)
		__asm__ volatile("sti; hlt; cli" : : : "memory");
	check(trap_count(T_IRQ + IRQ_TIMER) - taken == timer_ticks() - start,
	      "int: %lu timer interrupts, each counted once", n);
	sti();
	printf("     %lu TSC ticks each\n", (rdtsc() - from) / n);
}

int
cmd_int(int argc, char **argv)
{
	uint64_t n;

	if (!arg_number(argc, argv, 1, 5, 1, 1000, &n))
		return STATUS_USAGE;
	for (size_t i = 0; i < ARRAY_SIZE(exceptions); i++)
		check_exception(&exceptions[i]);
	check_no_gate();
	check_software();
	if (!timer_start())
		return STATUS_FAILED;
	check_ticks(n);
	timer_hook = trap_set_hook(T_IRQ + IRQ_TIMER, tick_and_record);
	check_masking();
	sti();
	trap_set_hook(T_IRQ + IRQ_TIMER, timer_hook);
	timer_stop();
	return 0;
}
