#include "user/usertests/tests.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* What a process may do to itself: the kernel ends it, and only it. */

static void
null_read(void)
{
	(void)*(volatile char *)NULL;
}

static void
null_write(void)
{
	*(volatile char *)NULL = 1;
}

static void
null_call(void)
{
	((void (*)(void))(volatile uintptr_t){0})();
}

void
test_null_pointer(void)
{
	CHECK_DIES(null_read);
	CHECK_DIES(null_write);
	CHECK_DIES(null_call);
}

static void
read_kernel(void)
{
	(void)*(volatile char *)(KERNBASE + KERN_PHYS);
}

static void
write_direct_map(void)
{
	*(volatile char *)DIRECT_BASE = 1;
}

static void
read_not_canonical(void)
{
	(void)*(volatile char *)0x0000900000000000;
}

static void
write_code(void)
{
	*(volatile char *)UTEXT = 0;
}

static void
call_data(void)
{
	static unsigned char code[] = {0xc3}; /* ret */

	((void (*)(void))(volatile uintptr_t){(uintptr_t)code})();
}

static void
call_stack(void)
{
	volatile unsigned char code[] = {0xc3};

	((void (*)(void))(volatile uintptr_t){(uintptr_t)code})();
}

static void
jump_to_kernel(void)
{
	((void (*)(void))(volatile uintptr_t){KERNBASE + KERN_PHYS})();
}

void
test_memory_faults(void)
{
	CHECK_DIES(read_kernel);
	CHECK_DIES(write_direct_map);
	CHECK_DIES(read_not_canonical);
	CHECK_DIES(write_code);
	CHECK_DIES(call_data);
	CHECK_DIES(call_stack);
	CHECK_DIES(jump_to_kernel);
}

/* One function for each instruction that user mode must not have. */
#define INSTRUCTION(name, text)                                             \
	static void name(void)                                              \
	{                                                                   \
		__asm__ volatile(text : : : "memory", "rax", "rcx", "rdx"); \
	}
INSTRUCTION(insn_hlt, "hlt")
INSTRUCTION(insn_cli, "cli")
INSTRUCTION(insn_in, "movw $0x3f8, %%dx; inb %%dx, %%al")
INSTRUCTION(insn_out, "movw $0x8900, %%dx; outb %%al, %%dx")
INSTRUCTION(insn_cr0, "movq %%cr0, %%rax")
INSTRUCTION(insn_cr3, "xorl %%eax, %%eax; movq %%rax, %%cr3")
INSTRUCTION(insn_dr7, "movq %%dr7, %%rax")
INSTRUCTION(insn_rdmsr, "movl $0xc0000080, %%ecx; rdmsr")
INSTRUCTION(insn_invlpg, "invlpg (%%rsp)")
INSTRUCTION(insn_lidt, "lidt (%%rsp)")
INSTRUCTION(insn_vmcall, "vmcall")
INSTRUCTION(insn_vmxoff, "vmxoff")
INSTRUCTION(insn_ud2, "ud2")
INSTRUCTION(insn_int3, "int3")
INSTRUCTION(insn_single_step, "pushfq; orl $0x100, (%%rsp); popfq; nop")
INSTRUCTION(insn_divide, "xorl %%ecx, %%ecx; divl %%ecx")
INSTRUCTION(insn_int_page_fault, "int $14")
INSTRUCTION(insn_int_double_fault, "int $8")
INSTRUCTION(insn_int_timer, "int $0x40")
INSTRUCTION(insn_int_other, "int $0x80")
INSTRUCTION(insn_syscall, "syscall")
INSTRUCTION(insn_sysenter, "sysenter")
INSTRUCTION(insn_bad_segment, "movw $0x10, %%ax; movw %%ax, %%ds; movw %%ax, %%ss")
INSTRUCTION(insn_bad_stack, "movabsq $0x0000900000000000, %%rsp; pushq %%rax")
#undef INSTRUCTION

void
test_instructions(void)
{
	static void (*const all[])(void) = {
	        insn_hlt,
	        insn_cli,
	        insn_in,
	        insn_out,
	        insn_cr0,
	        insn_cr3,
	        insn_dr7,
	        insn_rdmsr,
	        insn_invlpg,
	        insn_lidt,
	        insn_vmcall,
	        insn_vmxoff,
	        insn_ud2,
	        insn_int3,
	        insn_single_step,
	        insn_divide,
	        insn_int_page_fault,
	        insn_int_double_fault,
	        insn_int_timer,
	        insn_int_other,
	        insn_syscall,
	        insn_sysenter,
	        insn_bad_segment,
	        insn_bad_stack,
	};

	for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
		if (run_child(all[i]) == ENV_WAIT_KILLED)
			continue;
		printf("instruction %lu of the list did not end its process\n", i);
		exit(1);
	}
}

static void
use_x87(void)
{
	__asm__ volatile("fldz");
}

static void
use_sse(void)
{
	__asm__ volatile("movups %xmm0, -64(%rsp)");
}

void
test_fpu(void)
{
	CHECK_DIES(use_x87);
	CHECK_DIES(use_sse);
}

/* Touches the stack from its top down to `bytes` below. */
static void
touch_stack(uint64_t bytes)
{
	for (uint64_t off = PAGE_SIZE; off <= bytes; off += PAGE_SIZE) {
		volatile char *p = (volatile char *)(USTACK_TOP - off);

		*p = *p + 1;
	}
}

static void
whole_stack(void)
{
	touch_stack(USTACK_SIZE);
}

static void
below_stack(void)
{
	touch_stack(USTACK_SIZE + PAGE_SIZE);
}

static void
above_stack(void)
{
	*(volatile char *)USTACK_TOP = 1;
}

static int
recurse(volatile int *depth)
{
	volatile int next = *depth + 1;

	return next == INT32_MAX ? 0 : recurse(&next) + next;
}

static void
endless_recursion(void)
{
	volatile int depth = 0;

	recurse(&depth);
}

void
test_stack(void)
{
	CHECK_RESULT(run_child(whole_stack), 0);
	CHECK_DIES(below_stack);
	CHECK_DIES(above_stack);
	CHECK_DIES(endless_recursion);
}
