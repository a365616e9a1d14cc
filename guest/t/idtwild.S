/* Takes an exception with the IDT in memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"idtwild: INT3 with the IDT at c8000000h"
	lidt	wild_idt
	int3
	FINISH	STATUS_WENT_ON, "idtwild: FAIL: went on"
wild_idt:
	.word	0x7ff
	.long	WILD
	FLAT_END
