/*
 * CPU 0 sends INIT to CPU 1, but no start-up IPI, and halts with interrupts off.  Nothing can wake
 * either, and the VM must be stopped with a message.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
#define RUNS 0x6000
	FLAT_TEST
	PRINT	"ap-init: one CPU halts with interrupts off, the other waits for a start-up IPI"
	movb	$0, RUNS
	START_OTHER
	sti
1:	pause
	cmpb	$0, RUNS
	je	1b
	movl	$ICR_INIT, LAPIC_ICR
	cli
	hlt
	FINISH	STATUS_WENT_ON, "ap-init: FAIL: went on"
	.code16
other:	xor	%ax, %ax
	mov	%ax, %ds
	movb	$1, RUNS
	sti
1:	jmp	1b
	FLAT_END
