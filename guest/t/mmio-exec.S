/* Jumps into a device's memory.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"mmio-exec: jumping to fed00000h"
	movl	$HPET, %eax
	jmp	*%eax
	FLAT_END
