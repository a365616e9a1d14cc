/* Reads memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"wild-read: reading c8000000h"
	movl	WILD, %eax
	FINISH	STATUS_WENT_ON, "wild-read: FAIL: went on"
	FLAT_END
