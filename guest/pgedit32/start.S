/* t/pgedit32: its first instructions, traps, and the way to an access and back. */
#include "guest/pgedit32/pgedit32.h"

	.section .text.start, "ax"
	.globl	start
/* The boot sector jumps here in 32-bit mode, with flat segments and no paging. */
start:
	movl	$stack_top, %esp
	movl	$__bss_start, %edi
	movl	$__bss_end, %ecx
	subl	%edi, %ecx
	xorl	%eax, %eax
	cld
	rep stosb
	movl	$stack_top, %esp
	call	guest_main

	.text
/*
 * void access_run(uint32_t eip, uint32_t cs, uint32_t eflags, uint32_t ss, uint32_t edi, uint32_t esi)
 * goes to eip by IRET and returns at the next trap, whose record is in `answer`.
 */
	.globl	access_run
access_run:
	pushl	%ebp
	pushl	%ebx
	pushl	%esi
	pushl	%edi
	movl	%esp, try_stack
	movl	20(%esp), %eax		/* eip */
	movl	24(%esp), %ecx		/* cs */
	movl	28(%esp), %edx		/* eflags */
	movl	32(%esp), %ebx		/* ss */
	movl	36(%esp), %edi
	movl	40(%esp), %esi
	testl	$3, %ecx
	jz	1f
	pushl	%ebx
	pushl	%esp
1:	pushl	%edx
	pushl	%ecx
	pushl	%eax
	iret

/* Every trap comes here; the stack holds its vector and error code. */
trap_common:
	movl	%eax, answer + ANSWER_EAX
	popl	answer + ANSWER_VECTOR
	popl	answer + ANSWER_ERROR
	movl	%cr2, %eax
	movl	%eax, answer + ANSWER_CR2
	popl	answer + ANSWER_EIP
	movl	try_stack, %eax
	testl	%eax, %eax
	jz	unexpected_trap
	movl	%eax, %esp
	movl	$0, try_stack
	movw	$SEL_DATA, %ax
	movw	%ax, %ss
	pushl	$RFLAGS_FIXED
	popfl
	popl	%edi
	popl	%esi
	popl	%ebx
	popl	%ebp
	ret

	.globl	trap_stubs
	.p2align 4
trap_stubs:
	.set	vector, 0
	.rept	TRAP_STUBS
	.p2align 4		/* stub n is at trap_stubs + 16 n */
	.if	(vector == 8) || (vector >= 10 && vector <= 14) || (vector == 17)
	.else
	pushl	$0
	.endif
	pushl	$vector
	jmp	trap_common
	.set	vector, vector + 1
	.endr

	.bss
	.globl	answer, stack_top, trap_stack_top
	.p2align 4
	.skip	STACK_BYTES
stack_top:
	.skip	STACK_BYTES
trap_stack_top:
try_stack:
	.skip	4
answer:
	.skip	ANSWER_BYTES
	.section .note.GNU-stack, "", @progbits
