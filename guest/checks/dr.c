#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/cpu.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"

/* Debug registers, breakpoints, and single steps over instructions that exit. */

enum {
	DR6_B0 = 0x1,
	DR7_L0 = 0x1,
	DR7_WRITE_8 = 0x90000, /* slot 0: data writes of 8 bytes */
};

enum { HITS_MAX = 3 };

static volatile unsigned int hits, hits_wanted = 1;
static volatile uint64_t hit_rips[HITS_MAX];
static volatile uint64_t hit_rip, hit_dr6, hit_rflags;

static void
on_debug(struct trapframe *tf)
{
	if (hits < HITS_MAX)
		hit_rips[hits] = tf->rip;
	hits++;
	hit_rip = tf->rip;
	hit_dr6 = read_dr6();
	write_dr6(DR6_FIXED);
	if (hits >= hits_wanted)
		tf->rflags &= ~(uint64_t)RFLAGS_TF;
	tf->rflags |= RFLAGS_RF;
}

static void
check_values(void)
{
	static const uint64_t value[4] = {0x1111222233334444, 0xffff800012345678, 0x3000,
	                                  0xffffffffc0000001};

	write_dr7(DR7_FIXED);
	write_dr0(value[0]);
	write_dr1(value[1]);
	write_dr2(value[2]);
	write_dr3(value[3]);
	write_dr6(DR6_FIXED | DR6_BS);
	provoke_exits();
	check(read_dr0() == value[0] && read_dr1() == value[1] && read_dr2() == value[2] &&
	              read_dr3() == value[3],
	      "dr: DR0 to DR3 keep their values across exits");
	check(read_dr6() == (DR6_FIXED | DR6_BS), "dr: DR6 keeps its value across exits, %lx",
	      read_dr6());
	check(read_dr7() == DR7_FIXED, "dr: DR7 keeps its value across exits, %lx", read_dr7());
	write_dr6(0);
	check(read_dr6() == DR6_FIXED, "dr: the fixed bits of DR6 read as ones");
}

static void
read_dr4(void *arg)
{
	(void)arg;
	__asm__ volatile("mov %%dr4, %%rax" : : : "rax");
}

static void
write_dr7_high(void *arg)
{
	(void)arg;
	write_dr7(BIT(32) | DR7_FIXED);
}

/*
 * DR7.GD must not catch an access to DR4, which does not exist with CR4.DE set.  It must catch the
 * write to DR7 that ends it.
 */
static void
check_general_detect(void)
{
	hits = 0;
	write_dr7(DR7_FIXED | DR7_GD);
	check_fault(read_dr4, NULL, X86_UD, "dr: DR4 with CR4.DE and DR7.GD");
	check(hits == 0, "dr: DR4 with CR4.DE is not detected by DR7.GD");
	write_dr7(DR7_FIXED);
	check(hits == 1 && (hit_dr6 & DR6_BD), "dr: a write to DR7 is detected by DR7.GD");
}

static void
check_refused(void)
{
	uint64_t cr4 = read_cr4();

	write_cr4(cr4 | CR4_DE);
	check_fault(read_dr4, NULL, X86_UD, "dr: DR4 with CR4.DE");
	if (in_nestling())
		check_general_detect();
	write_cr4(cr4);
	if (in_nestling())
		check_fault(write_dr7_high, NULL, X86_GP, "dr: a bit above 31 of DR7");
	write_dr7(DR7_FIXED);
}

static void
on_int3(struct trapframe *tf)
{
	hits++;
	hit_rflags = tf->rflags;
}

/*
 * IRET sets RF for one instruction.  RF must be clear after it, also when a hypervisor executes
 * that instruction.
 */
static void
check_resume_flag(void)
{
	trap_hook *before = trap_set_hook(X86_BP, on_int3);
	uint64_t rax;

	hits = 0;
	__asm__ volatile("movq %%rsp, %%rcx\n\t"
	                 "movl %%ss, %%eax\n\t"
	                 "pushq %%rax\n\t"
	                 "pushq %%rcx\n\t"
	                 "pushfq\n\t"
	                 "orl %1, (%%rsp)\n\t"
	                 "movl %%cs, %%eax\n\t"
	                 "pushq %%rax\n\t"
	                 "leaq 1f(%%rip), %%rax\n\t"
	                 "pushq %%rax\n\t"
	                 "xorl %%eax, %%eax\n\t"
	                 "iretq\n"
	                 "1:\tcpuid\n\t"
	                 "int3"
	                 : "=&a"(rax)
	                 : "i"(RFLAGS_RF)
	                 : "rbx", "rcx", "rdx", "memory", "cc");
	guest_count_cpuids(1);
	trap_set_hook(X86_BP, before);
	check(hits == 1 && !(hit_rflags & RFLAGS_RF), "dr: RF ends with CPUID");
}

static void
check_breakpoints(void)
{
	static volatile uint64_t watched;
	uint64_t rip;

	hits = 0;
	__asm__ volatile("leaq 1f(%%rip), %0\n\t"
	                 "mov %0, %%dr0\n\t"
	                 "mov %1, %%dr7\n"
	                 "1:\tnop"
	                 : "=&r"(rip)
	                 : "r"((uint64_t)DR7_FIXED | DR7_L0)
	                 : "memory");
	write_dr7(DR7_FIXED);
	check(hits == 1 && hit_rip == rip && (hit_dr6 & DR6_B0),
	      "dr: a breakpoint on an instruction hits once, before it");

	hits = 0;
	write_dr0((uint64_t)&watched);
	write_dr7(DR7_FIXED | DR7_L0 | DR7_WRITE_8);
	guest_cpuid(0, 0); /* the breakpoint must survive an exit */
	watched = 1;
	write_dr7(DR7_FIXED);
	check(hits == 1 && (hit_dr6 & DR6_B0),
	      "dr: a breakpoint on data hits once, after the write");
	hits = 0;
	watched = 2;
	check(hits == 0, "dr: a breakpoint that is off does not hit");
}

/*
 * Checks that with TF set the trap comes after the next instruction, also when a hypervisor
 * executed that instruction and moved RIP itself.
 */
#define STEP(name, operands, instruction)                                       \
	do {                                                                    \
		uint64_t rip_;                                                  \
		hits = 0;                                                       \
		write_dr6(DR6_FIXED);                                           \
		__asm__ volatile("leaq 1f(%%rip), %0\n\t" operands "\n\t"       \
		                 "pushfq\n\t"                                   \
		                 "orl %1, (%%rsp)\n\t"                          \
		                 "popfq\n\t" instruction "\n"                   \
		                 "1:\tnop"                                      \
		                 : "=&r"(rip_)                                  \
		                 : "i"(RFLAGS_TF)                               \
		                 : "rax", "rbx", "rcx", "rdx", "memory", "cc"); \
		check(hits == 1 && hit_rip == rip_ && (hit_dr6 & DR6_BS),       \
		      "dr: a single step over " name " traps behind it");       \
	} while (0)

/*
 * A single step over a string instruction must trap after each item.  RIP stays at the instruction
 * until the last item is done.
 */
static void
check_string_steps(void)
{
	const char *from = "abc";
	uint64_t count = HITS_MAX, at, behind;

	hits = 0;
	hits_wanted = HITS_MAX;
	__asm__ volatile("leaq 1f(%%rip), %2\n\t"
	                 "leaq 2f(%%rip), %3\n\t"
	                 "pushfq\n\t"
	                 "orl %4, (%%rsp)\n\t"
	                 "popfq\n"
	                 "1:\trep outsb\n"
	                 "2:\tnop\n\t"
	                 "nop\n\t"
	                 "nop"
	                 : "+S"(from), "+c"(count), "=&r"(at), "=&r"(behind)
	                 : "i"(RFLAGS_TF), "d"(0x1234)
	                 : "memory", "cc");
	hits_wanted = 1;
	check(hits == HITS_MAX && hit_rips[0] == at && hit_rips[1] == at && hit_rips[2] == behind,
	      "dr: a single step over REP OUTS traps after each item");
}

static void
check_steps(void)
{
	STEP("NOP", "", "nop");
	STEP("CPUID", "xorl %%eax, %%eax", "cpuid");
	guest_count_cpuids(1);
	STEP("IN", "movl $0x3fd, %%edx", "inb %%dx, %%al");
	STEP("OUT", "movl $0x1234, %%edx", "outb %%al, %%dx");
	STEP("RDMSR", "movl $0xc0000080, %%ecx", "rdmsr");
	STEP("MOV to CR3", "movq %%cr3, %%rax", "movq %%rax, %%cr3");
	STEP("MOV to CR0", "movq %%cr0, %%rax", "movq %%rax, %%cr0");
	STEP("MOV from DR7", "", "movq %%dr7, %%rax");
	STEP("WBINVD", "", "wbinvd");
	check_string_steps();
}

int
cmd_dr(int argc, char **argv)
{
	trap_hook *before = trap_set_hook(X86_DB, on_debug);

	(void)argc;
	(void)argv;
	check_values();
	check_refused();
	check_breakpoints();
	check_resume_flag();
	check_steps();
	write_dr7(DR7_FIXED);
	write_dr6(0);
	trap_set_hook(X86_DB, before);
	return 0;
}
