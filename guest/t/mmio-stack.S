/* Takes an exception on a stack in a device's memory.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"mmio-stack: UD2 with the stack at fed00200h"
	SET_GATE 6, handler
	LOAD_IDT
	movl	$HPET + 0x200, %esp
	ud2
handler:
	FINISH	STATUS_WENT_ON, "mmio-stack: FAIL: went on"
	FLAT_END
