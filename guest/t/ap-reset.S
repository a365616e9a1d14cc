/*
 * What INIT and what a RESET leave of CPU 1: it tells what it finds in LSTAR, the TSC's upper part
 * and DR0, which are 0 at its first start, and changes them.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
#define MARK		0x500		/* RAM stays: 1 at the second start */
#define FOUND		0x504
#define READY		0x510
#define CHANGED		0x10000

	FLAT_TEST
	xorl	%ebx, %ebx
	cmpl	$1, MARK
	je	again
	call	check
	movl	$CHANGED, %ebx
	call	check
	movl	$1, MARK
	movb	$0xfe, %al		/* resets */
	outb	%al, $0x64
	jmp	fail
again:	call	check
	FINISH	STATUS_OK, "ap-reset: PASS"
fail:	FINISH	STATUS_FAIL, "ap-reset: FAIL"

/* CPU 1 starts, and must find EBX in LSTAR and the TSC, and nothing in DR0. */
check:	movl	$0, READY
	START_OTHER
1:	inb	$0x64, %al		/* an exit: CPU 1 may be waiting for ours */
	cmpl	$1, READY
	jne	1b
	movl	$FOUND, %esi
	lodsl
	cmpl	%ebx, %eax
	jne	fail
	lodsl
	cmpl	%ebx, %eax
	jne	fail
	lodsl
	testl	%eax, %eax
	jne	fail
	ret

	.code16
other:	movl	$MSR_LSTAR, %ecx
	rdmsr
	movl	%eax, FOUND
	rdtsc
	andl	$CHANGED, %edx
	movl	%edx, FOUND + 4
	movl	%dr0, %eax
	movl	%eax, FOUND + 8
	movl	$CHANGED, %eax
	movl	%eax, %dr0
	xorl	%edx, %edx
	wrmsr
	movl	%eax, %edx
	movl	$MSR_TSC, %ecx
	wrmsr
	movl	$1, READY
1:	hlt
	jmp	1b
	FLAT_END
