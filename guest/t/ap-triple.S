/*
 * The second CPU has a triple fault: INT3 with an empty IDT.  The VM must be stopped with a
 * message.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
	FLAT_TEST
	PRINT	"ap-triple: INT3 with an empty IDT, on the other CPU"
	START_OTHER
	sti
1:	hlt
	jmp	1b
	.code16
other:	lidt	empty_idt
	int3
	FINISH	STATUS_WENT_ON, "ap-triple: FAIL: went on"
empty_idt:
	.word	0
	.long	0
	FLAT_END
