/* A software interrupt whose handler raises it again, for ever.  The host and other VMs must go on. */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"intloop: INT 40h from the handler of INT 40h"
	movw	$STACK_SEGMENT, %ax
	movw	%ax, %ss
	xorw	%sp, %sp	/* wraps round in a segment of its own */
	SET_VECTOR 0x40, again
again:	int	$0x40
	REAL_END
