/*
 * Switches SYSCALL on, executes it once, and computes for ever.  Outside of guest mode the host's
 * processor must have neither this EFER.SCE nor this LSTAR.
 */
#include "guest/boot/real.inc"
#include "inc/mmu.h"
#include "inc/msr.h"

	.code64
	.globl	start
start:
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_SCE, %eax
	wrmsr
	movl	$MSR_STAR, %ecx
	xorl	%eax, %eax
	movl	$SEL_CODE64, %edx
	wrmsr
	movl	$MSR_LSTAR, %ecx
	movl	$taken, %eax
	xorl	%edx, %edx
	wrmsr
	syscall
	POWER_OFF 1

taken:	movl	$said, %esi
	call	puts
	sti
1:	jmp	1b

	PUTS_SUBROUTINE puts
said:	.asciz	"PASS sce: SYSCALL leads where LSTAR says\r\n"
	.section .note.GNU-stack, "", @progbits
