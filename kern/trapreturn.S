/* The ways out of the kernel, but into guests: back to what a trap interrupted, and to a halt. */
#define TRAPFRAME_WORDS 22 /* asserted in kern/trap.h */

	.text
	.globl	trap_restore
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
