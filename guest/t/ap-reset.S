/*
 * Checks what INIT and what a RESET leave of CPU 1.  CPU 1 stores what it finds in LSTAR, the TSC's
 * upper half and DR0, and changes them.  After INIT it must find the changed LSTAR and TSC, but 0
 * in DR0; at its first start and after a RESET, 0 in all.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
#define MARK		0x500		/* in RAM, which stays: 1 after the RESET */
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

/* Starts CPU 1, which must find EBX in LSTAR and in the TSC, and 0 in DR0. */
check:	movl	$0, READY
	START_OTHER
1:	inb	$0x64, %al		/* an exit: CPU 1 may be waiting for the host's CPU */
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
