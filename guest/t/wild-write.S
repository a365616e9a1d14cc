/* Writes memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"wild-write: writing c8000000h"
	movl	%eax, WILD
	FINISH	STATUS_WENT_ON, "wild-write: FAIL: went on"
	FLAT_END
