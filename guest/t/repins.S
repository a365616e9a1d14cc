/* rep insb of 4 GiB - 1 bytes to memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"repins: rep insb of ffffffffh bytes to c8000000h"
	movl	$WILD, %edi
	movl	$0xffffffff, %ecx
	movl	$PORT_NONE, %edx
	rep insb
	FINISH	STATUS_WENT_ON, "repins: FAIL: went on"
	FLAT_END
