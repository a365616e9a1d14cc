/* The timer interrupts as fast as it can.  Each interrupt must leave the guest time to go on. */
#include "guest/t/t.inc"

#define LOOPS		100000
#define IRQ0_VECTOR	8

	REAL_TEST
	SET_VECTOR IRQ0_VECTOR, tick
	movb	$0x14, %al	/* channel 0 of the timer: mode 2, low byte only */
	outb	%al, $0x43
	movb	$1, %al
	outb	%al, $0x40
	movb	$0xfe, %al
	outb	%al, $0x21
	sti
	movl	$LOOPS, %ecx
1:	decl	%ecx
	jnz	1b
	cli
	FINISH	STATUS_OK, "pitfast: PASS: goes on between the interrupts"
tick:	pushw	%ax
	movb	$0x20, %al
	outb	%al, $0x20
	popw	%ax
	iretw
	REAL_END
