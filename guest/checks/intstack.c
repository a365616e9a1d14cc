#include "guest/checks/check.h"
#include "guest/checks/user.h"
#include "guest/kernel/command.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/vm.h"
#include "inc/x86.h"

/*
 * Interrupts and exceptions whose frame goes to memory that nobody has touched.  In a VM the push
 * causes an EPT or NPT fault in the middle of the delivery, with shadow paging a page fault.  The
 * hypervisor must deliver the event again, once, with its error code and CR2.
 */

enum { REASON_EXCEPTION = 0, REASON_EPT_VIOLATION = 48 };

static struct {
	volatile unsigned int count;
	volatile uint64_t frame, rip, error, cr2;
} seen;

static uint64_t resume; /* where on_event continues after a fault */

static void
on_event(struct trapframe *tf)
{
	seen.count++;
	seen.frame = (uint64_t)tf;
	seen.rip = tf->rip;
	seen.error = tf->error;
	seen.cr2 = read_cr2();
	if (tf->vector == X86_PF)
		tf->rip = resume;
	if (tf->vector >= T_IRQ && tf->vector < T_SOFT)
		tf->rflags &= ~(uint64_t)RFLAGS_IF; /* one is enough, even if more are due */
}

enum event { EVENT_INT3, EVENT_INT, EVENT_PF, EVENT_TIMER };
static const unsigned int vectors[] = {
        [EVENT_INT3] = X86_BP,
        [EVENT_INT] = T_SOFT,
        [EVENT_PF] = X86_PF,
        [EVENT_TIMER] = T_IRQ + IRQ_TIMER,
};
static const char *const event_names[] = {
        [EVENT_INT3] = "INT3",
        [EVENT_INT] = "INT n",
        [EVENT_PF] = "#PF",
        [EVENT_TIMER] = "the timer's interrupt",
};

/*
 * Sets RSP to `stack` (0: leaves it), executes `instruction`, sets RSP back.
 * The value is the RIP that the frame must show.
 */
#define AT_STACK(stack, instruction, label)                                      \
	({                                                                       \
		uint64_t rip_;                                                   \
		__asm__ volatile("leaq " label "(%%rip), %0\n\t"                 \
		                 "leaq 3f(%%rip), %%rax\n\t"                     \
		                 "movq %%rax, %1\n\t"                            \
		                 "movq %%rsp, %%rbx\n\t"                         \
		                 "testq %2, %2\n\t"                              \
		                 "cmovnzq %2, %%rsp\n"                           \
		                 "2:\t" instruction "\n"                         \
		                 "3:\tmovq %%rbx, %%rsp"                         \
		                 : "=&r"(rip_), "=m"(resume)                     \
		                 : "r"((uint64_t)(stack)), "c"((uint64_t)WINDOW) \
		                 : "rax", "rbx", "memory", "cc");                \
		rip_;                                                            \
	})

/*
 * Causes the event with RSP at `stack`.  Returns the RIP that its frame must show, or 0 for the
 * timer, which may come anywhere behind STI.
 */
static uint64_t
cause(enum event e, uint64_t stack)
{
	switch (e) {
	case EVENT_INT3:
		return AT_STACK(stack, "int3", "3f");
	case EVENT_INT:
		return AT_STACK(stack, "int $0x30", "3f");
	case EVENT_PF:
		return AT_STACK(stack, "movb (%%rcx), %%al", "2f");
	case EVENT_TIMER:
		AT_STACK(stack, "sti; hlt; cli", "3f");
		return 0;
	}
	return 0;
}
_Static_assert(T_SOFT == 0x30, "cause() uses INT T_SOFT");

/*
 * Returns the number of exits so far for a reason.  Profiles of the statistics leaves hold it in
 * different leaves; EAX of the other leaf is 0.
 */
static uint32_t
exits(uint32_t reason)
{
	return guest_cpuid(HV_CPUID_LEAF_FIRST + 1, reason).eax +
	       guest_cpuid(HV_CPUID_LEAF_FIRST + 2, reason).eax;
}

struct faults {
	uint32_t nested;     /* exits for an EPT or NPT fault */
	uint32_t exceptions; /* exits for an exception */
	uint32_t own;        /* #PFs that the guest has handled */
};

static struct faults
faults_now(void)
{
	struct faults f = {.own = (uint32_t)trap_count(X86_PF)};

	if (in_nestling()) {
		f.nested = exits(REASON_EPT_VIOLATION);
		f.exceptions = exits(REASON_EXCEPTION);
	}
	return f;
}

/*
 * Returns how many page faults only the host has seen.  With shadow paging the guest's own page
 * faults are exits, too, and do not count.
 */
static uint32_t
hidden_faults(const struct faults *before)
{
	struct faults now = faults_now();
	uint32_t exceptions = now.exceptions - before->exceptions, own = now.own - before->own;

	if (now.nested != before->nested)
		return now.nested - before->nested;
	return exceptions > own ? exceptions - own : 0;
}

/* Returns false if this is a VM and the delivery has met no page fault of the host's. */
static bool
as_expected(uint32_t faults)
{
	return !in_nestling() || faults > 0;
}

/*
 * Checks an event whose frame goes to a fresh page: by the interrupt stack table if `ist`, else
 * because RSP points there.
 */
static void
check_event(enum event e, bool ist)
{
	uint8_t *page = mem_fresh_alone();
	unsigned int vector = vectors[e];
	trap_hook *before;
	struct faults faults;
	uint64_t rip, top;
	uint32_t hidden;

	if (!page) {
		check(false,
		      "intstack: no 2 MiB left that were never touched; give the VM more RAM");
		return;
	}
	top = (uint64_t)page + PAGE_SIZE;
	seen.count = 0;
	before = trap_set_hook(vector, on_event);
	if (ist) {
		trap_set_stack(IST_TEST, top);
		trap_set_ist(vector, IST_TEST);
	}
	cli();
	faults = faults_now();
	rip = cause(e, ist ? 0 : top);
	hidden = hidden_faults(&faults);
	if (ist)
		trap_set_ist(vector, 0);
	trap_set_hook(vector, before);
	sti();
	check(seen.count == 1 && seen.frame >= (uint64_t)page && seen.frame < top &&
	              (rip == 0 || seen.rip == rip) && (e != EVENT_PF || seen.cr2 == WINDOW) &&
	              seen.error == 0 && as_expected(hidden),
	      "intstack: %s on a fresh %s page arrives once, with %u page faults of the host's",
	      event_names[e], ist ? "IST" : "RSP", hidden);
}

static void
check_ring3(void)
{
	uint8_t *page = mem_fresh_alone();
	uint64_t before = trap_count(T_SOFT);
	struct faults faults;
	uint32_t hidden;
	struct fault f;

	if (!page) {
		check(false,
		      "intstack: no 2 MiB left that were never touched; give the VM more RAM");
		return;
	}
	faults = faults_now();
	f = user_run_on(&user_nothing, (uint64_t)page + PAGE_SIZE);
	hidden = hidden_faults(&faults);
	check(f.vector == T_SOFT && trap_count(T_SOFT) == before + 1 && as_expected(hidden),
	      "intstack: INT n from ring 3 on a fresh RSP0 page arrives once, "
	      "with %u page faults of the host's",
	      hidden);
}

int
cmd_intstack(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (enum event e = EVENT_INT3; e <= EVENT_PF; e++) {
		check_event(e, false);
		check_event(e, true);
	}
	check_ring3();
	if (!timer_start())
		return STATUS_FAILED;
	check_event(EVENT_TIMER, false);
	check_event(EVENT_TIMER, true);
	timer_stop();
	return 0;
}
