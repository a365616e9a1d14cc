/*
 * #DB for ever: a breakpoint on the first instruction of the handler of #DB.  The host and other
 * VMs must go on.
 */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"dbloop: a breakpoint on the handler of #DB"
	movw	$STACK_SEGMENT, %ax
	movw	%ax, %ss
	xorw	%sp, %sp	/* wraps round in a segment of its own */
	SET_VECTOR X86_DB, on_db
	movl	$on_db, %eax
	movl	%eax, %dr0
	movl	$DR7_FIXED | 1, %eax
	movl	%eax, %dr7
on_db:	nop
	FINISH	STATUS_SKIP, "dbloop: this machine has no breakpoints"
	REAL_END
