/*
 * Both CPUs halt with interrupts off.  Once the second one has halted, nothing can wake them, and
 * the VM must be stopped with a message.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
	FLAT_TEST
	PRINT	"ap-halt: two CPUs halt with interrupts off"
	START_OTHER
	cli
	hlt
	FINISH	STATUS_WENT_ON, "ap-halt: FAIL: went on"
	.code16
other:	cli
	hlt
	jmp	other
	FLAT_END
