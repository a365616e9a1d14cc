/* Computes for ever, with interrupts on.  It must share the host's CPU with others. */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"busy: for ever"
	sti
1:	jmp	1b
	REAL_END
