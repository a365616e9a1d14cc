/*
 * Where a user program begins.  The kernel starts it with argc in rdi and argv
 * in rsi, the strings and pointers above the stack pointer.
 */
	.text
	.globl _start
_start:
	xorl	%ebp, %ebp		/* the backtrace ends here */
	andq	$-16, %rsp		/* as the ABI wants it at a call */
	call	main
	movl	%eax, %edi
	call	exit
