/* Triple fault: INT3 with an empty IDT.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"triple: INT3 with an empty IDT"
	lidt	empty_idt
	int3
	FINISH	STATUS_WENT_ON, "triple: FAIL: went on"
empty_idt:
	.word	0
	.long	0
	REAL_END
