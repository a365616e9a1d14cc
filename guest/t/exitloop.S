/*
 * Exits for ever, with interrupts off.  The host and other VMs must go on, and the VM can be
 * stopped from outside.
 */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"exitloop: CPUID for ever"
	cli
1:	xorl	%eax, %eax
	cpuid
	jmp	1b
	REAL_END
