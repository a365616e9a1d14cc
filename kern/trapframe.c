#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/console.h"
#include "kern/trap.h"

/* Traps as text. */

static const char *const exception_names[] = {
        [X86_DE] = "divide error",
        [X86_DB] = "debug exception",
        [X86_NMI] = "NMI",
        [X86_BP] = "breakpoint",
        [X86_OF] = "overflow",
        [X86_BR] = "BOUND range exceeded",
        [X86_UD] = "invalid opcode",
        [X86_NM] = "use of the FPU, which programs do not have",
        [X86_DF] = "double fault",
        [X86_TS] = "invalid TSS",
        [X86_NP] = "segment not present",
        [X86_SS] = "stack fault",
        [X86_GP] = "general protection fault",
        [X86_PF] = "page fault",
        [X86_MF] = "x87 error",
        [X86_AC] = "alignment check",
        [X86_MC] = "machine check",
        [X86_XM] = "SIMD error",
};

const char *
trap_name(unsigned int vector)
{
	if (vector < ARRAY_SIZE(exception_names) && exception_names[vector])
		return exception_names[vector];
	return "unexpected interrupt";
}

void
trap_print(const struct trapframe *tf)
{
	const struct {
		const char *name;
		uint64_t value;
	} r[] = {
	        {"rax", tf->rax},    {"rbx", tf->rbx},    {"rcx", tf->rcx},    {"rdx", tf->rdx},
	        {"rsi", tf->rsi},    {"rdi", tf->rdi},    {"rbp", tf->rbp},    {"rsp", tf->rsp},
	        {"r8", tf->r8},      {"r9", tf->r9},      {"r10", tf->r10},    {"r11", tf->r11},
	        {"r12", tf->r12},    {"r13", tf->r13},    {"r14", tf->r14},    {"r15", tf->r15},
	        {"rip", tf->rip},    {"rfl", tf->rflags}, {"cs", tf->cs},      {"ss", tf->ss},
	        {"vec", tf->vector}, {"err", tf->error},  {"cr2", read_cr2()}, {"cr3", read_cr3()},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(r); i++)
		kprintf("  %-3s %016lx%s", r[i].name, (unsigned long)r[i].value,
		        i % 4 == 3 ? "\n" : "");
}
