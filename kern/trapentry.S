#include "inc/memlayout.h"
#include "inc/mmu.h"

/*
 * Trap entry and return.  There is no swapgs: this_cpu() needs no segment base
 * (docs/TRICKS.md).
 */
#define TRAPFRAME_WORDS 22 /* asserted in kern/trap.h */
#define TRAP_STUB_SIZE	16 /* kern/trap.c counts on it too */
#define RFLAGS_CLEAN	RFLAGS_FIXED

/* The exceptions that push an error code (SDM vol. 3, "Error Code"). */
#define HAS_ERROR(v)                                                                               \
	((v) == X86_DF || ((v) >= X86_TS && (v) <= X86_PF) || (v) == X86_AC || (v) == 21 ||        \
	 (v) == 29 || (v) == 30)

	.text
	.globl	trap_stubs
	.balign TRAP_STUB_SIZE
trap_stubs:
	vector = 0
	.rept	256
	.if	!(HAS_ERROR(vector))
	push	$0
	.endif
	push	$vector
	jmp	trap_common
	vector = vector + 1
	.org	trap_stubs + vector * TRAP_STUB_SIZE, 0xcc /* refused if the stub is larger */
	.endr

/* Registers onto the stack, behind vector and error: struct trapframe, whose address is in rdi. */
	.macro	SAVE_FRAME
	push	%rax
	push	%rcx
	push	%rdx
	push	%rbx
	push	%rbp
	push	%rsi
	push	%rdi
	push	%r8
	push	%r9
	push	%r10
	push	%r11
	push	%r12
	push	%r13
	push	%r14
	push	%r15
	/*
	 * A gate leaves AC and DF as they were: a user's AC would open the kernel to
	 * user pages in spite of SMAP, and C expects DF clear.
	 */
	pushq	$RFLAGS_CLEAN
	popfq
	mov	%rsp, %rdi
	.endm

	.type	trap_common, @function
trap_common:
	SAVE_FRAME
	call	trap			/* comes back only for traps that continue in place */
	jmp	trap_restore

/* The gate of system calls, which only user mode uses. */
	.globl	trap_syscall_stub
	.type	trap_syscall_stub, @function
trap_syscall_stub:
	push	$0
	push	$T_SYSCALL
	SAVE_FRAME
	call	trap_syscall

trap_restore:
	pop	%r15
	pop	%r14
	pop	%r13
	pop	%r12
	pop	%r11
	pop	%r10
	pop	%r9
	pop	%r8
	pop	%rdi
	pop	%rsi
	pop	%rbp
	pop	%rbx
	pop	%rdx
	pop	%rcx
	pop	%rax
	add	$16, %rsp		/* vector, error */
	.globl	trap_iretq
trap_iretq:
	iretq

/*
 * void trap_resume(const struct trapframe *tf, struct trapframe *top)
 * Continues at tf by way of a copy on the top of the kernel stack: a fault in
 * iretq itself pushes below its operands, which must not be below env->saved.
 */
	.globl	trap_resume
	.type	trap_resume, @function
trap_resume:
	mov	%rsi, %rsp
	xchg	%rdi, %rsi
	mov	$TRAPFRAME_WORDS, %ecx
	rep movsq
	jmp	trap_restore

/*
 * void trap_sti_hlt(void): nothing comes between STI, which takes effect one instruction later, and
 * HLT.  After an NMI that does, trap() starts again with the STI.
 */
	.globl	trap_sti_hlt
	.type	trap_sti_hlt, @function
trap_sti_hlt:
	sti
	.globl	trap_hlt
trap_hlt:
	hlt
	cli
	ret

	.section .note.GNU-stack, "", @progbits
