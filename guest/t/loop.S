/*
 * Loops for ever without an exit.  The host and other VMs must go on, and the VM can be stopped
 * from outside.
 */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"loop: for ever"
1:	jmp	1b
	REAL_END
