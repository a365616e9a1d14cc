#ifndef NESTLING_KERN_TRAP_H
#define NESTLING_KERN_TRAP_H

#include <stdint.h>

/* What trap entry (kern/trapentry.S) pushes; the order is asserted there. */
struct trapframe {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error;
	uint64_t rip, cs, rflags, rsp, ss;
};
_Static_assert(sizeof(struct trapframe) == 22 * 8, "trap entry pushes 22 words");

/* Builds the IDT and loads it on this CPU. */
void trap_init(void);
void trap_load_idt(void);
/* C side of every trap from trapentry.S. */
void trap(struct trapframe *tf);
/* And of system calls: takes the kernel lock, unless the call is free of it (inc/syscall.h). */
void trap_syscall(struct trapframe *tf);
/* Handles a host interrupt that arrived in guest mode; may set this_cpu()->resched. */
void trap_interrupt(unsigned int vector);
/* Lets waiting interrupts in, for an instant; the kernel runs with them off.  Without the lock. */
void trap_let_in(void);
/* Halts until one has come, in the same way. */
void trap_wait(void);
/* Back to user mode.  Without the lock. */
_Noreturn void trap_return(const struct trapframe *tf);

/* Traps as text (kern/trapframe.c): an exception's name; all registers. */
const char *trap_name(unsigned int vector);
void trap_print(const struct trapframe *tf);

#endif
