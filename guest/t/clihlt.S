/* Halts with interrupts off: nothing can wake it.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"clihlt: halting with interrupts off"
	cli
	hlt
	FINISH	STATUS_WENT_ON, "clihlt: FAIL: went on"
	REAL_END
