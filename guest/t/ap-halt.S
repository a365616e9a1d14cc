/* Both CPUs halt with interrupts off.  Only when the second has done so nothing can wake them. */
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
