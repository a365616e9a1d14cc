/* Turns paging on with CR3 in memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"badcr3: paging with CR3 = c8000000h"
	movl	$WILD, %eax
	movl	%eax, %cr3
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	FINISH	STATUS_WENT_ON, "badcr3: FAIL: went on"
	FLAT_END
