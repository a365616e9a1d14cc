/* Jumps to memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"wild-exec: jumping to c8000000h"
	movl	$WILD, %eax
	jmp	*%eax
	FLAT_END
