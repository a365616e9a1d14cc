/* Two CPUs that loop for ever without an exit.  The VM can be stopped from outside. */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
	FLAT_TEST
	PRINT	"ap-loop: for ever, on two CPUs"
	START_OTHER
	sti
1:	jmp	1b
	.code16
other:	sti
1:	jmp	1b
	FLAT_END
