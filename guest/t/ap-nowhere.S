/*
 * Sends a start-up IPI with an address where there is no code.  The VM must be stopped with a
 * message.
 */
#include "guest/t/t.inc"
#include "guest/t/other.inc"
	FLAT_TEST
	PRINT	"ap-nowhere: the other CPU begins at ff000h"
other:	START_OTHER	at=0xff000
	sti
1:	hlt
	jmp	1b
	FLAT_END
