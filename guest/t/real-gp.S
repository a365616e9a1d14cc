/* #GP in real mode, which has no error codes, onto a stack that nobody has touched yet. */
#include "guest/t/t.inc"
	REAL_TEST
	SET_VECTOR X86_GP, on_gp
	movw	$STACK_SEGMENT, %ax
	movw	%ax, %ss
	xorw	%sp, %sp
	.fill	15, 1, 0x3e		/* too long for an instruction */
	nop
	FINISH	STATUS_WENT_ON, "real-gp: FAIL: no exception"
on_gp:	cmpw	$0xfffa, %sp
	jne	1f
	FINISH	STATUS_OK, "real-gp: PASS"
1:	FINISH	STATUS_FAIL, "real-gp: FAIL: an error code"
	REAL_END
