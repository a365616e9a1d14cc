#ifndef NESTLING_KERN_TRAP_H
#define NESTLING_KERN_TRAP_H

#include <stdint.h>

#include "kern/cpu.h"

/* What trap entry (kern/trapentry.S) pushes; the order is asserted there. */
struct trapframe {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trapframe) == 22 * 8, "trap entry pushes 22 words");

/* C side of every trap from trapentry.S. */
void trap(struct trapframe *tf);
/* And of system calls: takes the kernel lock, unless the call is free of it (inc/syscall.h). */
void trap_syscall(struct trapframe *tf);
/* Handles a host interrupt, also one that arrived in guest mode; may set this_cpu()->resched
 * (kern/interrupt.c). */
void trap_interrupt(unsigned int vector);

/* kern/trapreturn.S */
void trap_sti_hlt(void);
_Noreturn void trap_resume(const struct trapframe *tf, struct trapframe *top);

/* Lets waiting interrupts in, for an instant; the kernel runs with them off.  Without the lock. */
static inline void
trap_let_in(void)
{
	struct cpu *cpu = this_cpu();

	cpu->interruptible = true;
	__asm__ volatile("sti; nop; cli" : : : "memory");
	cpu->interruptible = false;
}

/* Halts until one has come, in the same way. */
static inline void
trap_wait(void)
{
	struct cpu *cpu = this_cpu();

	cpu->interruptible = true;
	trap_sti_hlt();
	cpu->interruptible = false;
}

/* Back to user mode.  Without the lock. */
static inline _Noreturn void
trap_return(const struct trapframe *tf)
{
	trap_resume(tf, (struct trapframe *)((uint64_t)this_cpu() + CPU_KSTACK_TOP) - 1);
}

/* Traps as text (kern/trapframe.c): an exception's name; all registers. */
const char *trap_name(unsigned int vector);
void trap_print(const struct trapframe *tf);

#endif
