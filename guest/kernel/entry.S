/* The kernel's first instructions, and try_call(), which C cannot express. */
#include "guest/kernel/trap.h"

	.text
	.globl	start
/* The loader jumps here in long mode, on the loader's page tables.  RDI: struct boot_info. */
start:
	movq	$stack_top, %rsp
	xorl	%ebp, %ebp
	call	guest_main
1:	hlt
	jmp	1b

/*
 * bool try_call(void (*fn)(void *), void *arg) calls fn(arg) and returns false.  If fn faults,
 * trap_unwind() continues at try_fault with the stack pointer saved in try_stack, so that what fn
 * was doing is dropped, and try_call() returns true.
 */
	.globl	try_call
try_call:
	pushq	%rbp
	movq	%rsp, %rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	pushfq
	pushq	try_stack	/* tries may nest */
	movq	%rsp, try_stack
	subq	$8, %rsp
	movq	%rdi, %rax
	movq	%rsi, %rdi
	call	*%rax
	xorl	%eax, %eax
	addq	$8, %rsp
1:	popq	try_stack
	popfq
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.globl	try_fault
try_fault:
	movl	$1, %eax
	jmp	1b

	.section .bss.stack, "aw", @nobits
	.globl	stack_top
	.skip	STACK_SIZE
stack_top:

	.bss
	.globl	try_stack
	.p2align 3
try_stack:
	.skip	8
	.section .note.GNU-stack, "", @progbits
