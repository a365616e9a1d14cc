/* Executes one CPUID, then halts for ever with interrupts on, but nothing interrupts. */
#include "guest/t/t.inc"
	REAL_TEST
	movb	$0x30, %al	/* channel 0 of the timer: mode 0, which waits for a count */
	outb	%al, $0x43
	movb	$0xff, %al
	outb	%al, $0x21
	outb	%al, $0xa1
	xorl	%eax, %eax
	cpuid
	sti
1:	hlt
	jmp	1b
	REAL_END
