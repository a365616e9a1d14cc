#include "guest/checks/user.h"

#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Ring 3.  The processor checks some rights before an instruction exits.  The hypervisor must check
 * the others when it emulates the instruction: string I/O must not become a way into the kernel's
 * memory.
 */

enum {
	CODE_PAGE = 0, /* pages of WINDOW, and of test_pages */
	DATA_PAGE = 1,
	TRAP_STACK = 4096,
	IOPL3 = 0x3000,
	ANY = -1,
};

#define DATA (WINDOW + DATA_PAGE * PAGE_SIZE)

static uint8_t trap_stack[TRAP_STACK] __attribute__((aligned(16)));

/* Defines a piece of code that ends with INT T_SOFT. */
#define CODE(name, text)                                      \
	extern const char user_##name[], user_##name##_end[]; \
	__asm__(".pushsection .rodata\n"                      \
	        "user_" #name ":\n\t" text "\n\t"             \
	        "int $0x30\n"                                 \
	        "user_" #name "_end:\n"                       \
	        ".popsection")
_Static_assert(T_SOFT == 0x30, "CODE ends with INT T_SOFT");

CODE(nothing_code, "");
CODE(cpuid, "xorl %eax, %eax; cpuid");
CODE(rdtsc, "rdtsc");
CODE(in, "movl $0x3fd, %edx; inb %dx, %al");
CODE(out, "movl $0x1234, %edx; outb %al, %dx");
CODE(insb, "movl $0x1234, %edx; rep insb");
CODE(outsb, "movl $0x1234, %edx; rep outsb");
CODE(hlt, "hlt");
CODE(cli, "cli");
CODE(clts, "clts");
CODE(mov_cr3, "movq %rax, %cr3");
CODE(mov_dr7, "movq %dr7, %rax");
CODE(rdmsr, "movl $0x10, %ecx; rdmsr");
CODE(wrmsr, "movl $0xc0000102, %ecx; wrmsr");
CODE(wbinvd, "wbinvd");
CODE(lidt, "lidt (%rsp)");
CODE(int3, "int3");
CODE(int_no_gate, "int $0x36");
_Static_assert(T_STUBS == 0x36, "INT T_STUBS has no gate");
CODE(vmcall, "movl $0x12345678, %eax; vmcall");
CODE(read_kernel, "movb (%rsi), %al");

#define KERNEL ((uint64_t)test_pages)
#define ROW(code, iopl3, rdi, rsi, rcx)                              \
	{                                                            \
		user_##code, user_##code##_end, iopl3, rdi, rsi, rcx \
	}

const struct user_code user_nothing = ROW(nothing_code, false, 0, 0, 0);

static const struct row {
	const char *what;
	struct user_code code;
	int vector; /* T_SOFT: the code runs to its end */
	uint64_t error, cr2;
} rows[] = {
        {"CPUID", ROW(cpuid, false, 0, 0, 0), T_SOFT, 0, 0},
        {"RDTSC", ROW(rdtsc, false, 0, 0, 0), T_SOFT, 0, 0},
        {"IN", ROW(in, false, 0, 0, 0), X86_GP, 0, 0},
        {"OUT", ROW(out, false, 0, 0, 0), X86_GP, 0, 0},
        {"rep insb", ROW(insb, false, DATA, 0, 16), X86_GP, 0, 0},
        {"IN with IOPL 3", ROW(in, true, 0, 0, 0), T_SOFT, 0, 0},
        {"OUT with IOPL 3", ROW(out, true, 0, 0, 0), T_SOFT, 0, 0},
        {"rep insb with IOPL 3 into its own page", ROW(insb, true, DATA, 0, 16), T_SOFT, 0, 0},
        {"rep outsb with IOPL 3 from its own page", ROW(outsb, true, 0, DATA, 16), T_SOFT, 0, 0},
        {"rep insb with IOPL 3 into the kernel", ROW(insb, true, KERNEL, 0, 16), X86_PF,
         PF_P | PF_W | PF_U, KERNEL},
        {"rep outsb with IOPL 3 from the kernel", ROW(outsb, true, 0, KERNEL, 16), X86_PF,
         PF_P | PF_U, KERNEL},
        {"rep insb with IOPL 3 into its own code", ROW(insb, true, WINDOW, 0, 16), X86_PF,
         PF_P | PF_W | PF_U, WINDOW},
        {"a read of the kernel", ROW(read_kernel, false, 0, KERNEL, 0), X86_PF, PF_P | PF_U,
         KERNEL},
        {"HLT", ROW(hlt, false, 0, 0, 0), X86_GP, 0, 0},
        {"CLI", ROW(cli, false, 0, 0, 0), X86_GP, 0, 0},
        {"CLTS", ROW(clts, false, 0, 0, 0), X86_GP, 0, 0},
        {"MOV to CR3", ROW(mov_cr3, false, 0, 0, 0), X86_GP, 0, 0},
        {"MOV from DR7", ROW(mov_dr7, false, 0, 0, 0), X86_GP, 0, 0},
        {"RDMSR", ROW(rdmsr, false, 0, 0, 0), X86_GP, 0, 0},
        {"WRMSR", ROW(wrmsr, false, 0, 0, 0), X86_GP, 0, 0},
        {"WBINVD", ROW(wbinvd, false, 0, 0, 0), X86_GP, 0, 0},
        {"LIDT", ROW(lidt, false, 0, 0, 0), X86_GP, 0, 0},
        {"INT3", ROW(int3, false, 0, 0, 0), X86_BP, 0, 0},
        {"VMCALL", ROW(vmcall, false, 0, 0, 0), ANY, 0, 0},
};

/* Enters ring 3.  Does not return: the code ends in a trap, and the trap ends try_run(). */
static void
enter_user(void *arg)
{
	const struct user_code *c = arg;
	uint64_t flags = RFLAGS_FIXED | (c->iopl3 ? IOPL3 : 0);

	__asm__ volatile("pushq %0\n\t"
	                 "pushq %1\n\t"
	                 "pushq %2\n\t"
	                 "pushq %3\n\t"
	                 "pushq %4\n\t"
	                 "xorl %%eax, %%eax\n\t"
	                 "iretq"
	                 :
	                 : "i"(SEL_UDATA), "r"((uint64_t)DATA + PAGE_SIZE), "r"(flags),
	                   "i"(SEL_UCODE), "r"((uint64_t)WINDOW), "D"(c->rdi), "S"(c->rsi),
	                   "c"(c->rcx)
	                 : "rax", "memory");
}

struct fault
user_run_on(const struct user_code *code, uint64_t trap_stack_top)
{
	struct fault f = {0};
	trap_hook *before = trap_set_hook(T_SOFT, trap_unwind);

	memcpy(test_pages + CODE_PAGE * PAGE_SIZE, code->start, code->end - code->start);
	window_map(CODE_PAGE, mem_pa(test_pages) + CODE_PAGE * PAGE_SIZE, PTE_P | PTE_U);
	window_map(DATA_PAGE, mem_pa(test_pages) + DATA_PAGE * PAGE_SIZE, PTE_P | PTE_U | PTE_W);
	trap_set_stack(0, trap_stack_top);
	try_run(enter_user, (void *)code, &f);
	trap_reload_segments(); /* IRET to ring 3 cleared DS and ES */
	window_map(CODE_PAGE, 0, 0);
	window_map(DATA_PAGE, 0, 0);
	trap_set_hook(T_SOFT, before);
	return f;
}

struct fault
user_run(const struct user_code *code)
{
	return user_run_on(code, (uint64_t)trap_stack + sizeof(trap_stack));
}

static void
check_no_gate(void)
{
	struct user_code code = ROW(int_no_gate, false, 0, 0, 0);
	struct fault f = user_run(&code);

	check(f.vector == X86_GP && trap_error_names(f.error, T_STUBS),
	      "user: INT n without a gate in ring 3: %s, error %lx", trap_name(f.vector), f.error);
}

int
cmd_user(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		struct fault f = user_run(&r->code);
		bool ok = r->vector == ANY || ((int)f.vector == r->vector && f.error == r->error &&
		                               (r->cr2 == 0 || f.cr2 == r->cr2));

		check(ok, "user: %s in ring 3: %s, error %lx", r->what,
		      f.vector == T_SOFT ? "no exception" : trap_name(f.vector), f.error);
	}
	check_no_gate();
	guest_count_cpuids(1); /* by the first row */
	return 0;
}
