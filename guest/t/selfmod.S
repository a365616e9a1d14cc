/* Code that changes the instruction behind an exiting one must execute what it wrote. */
#include "guest/t/t.inc"
	REAL_TEST
	movw	$3, %bp
again:
	incb	patched + 1
	xorl	%eax, %eax
	cpuid
patched:
	movb	$0, %al
	movb	%al, %bh
	movw	$PORT_NONE, %dx
	incb	patched2 + 1
	outb	%al, %dx
patched2:
	movb	$0, %al
	cmpb	%bh, %al
	jne	bad
	decw	%bp
	jnz	again
	cmpb	$3, %al
	jne	bad
	FINISH	STATUS_OK, "selfmod: PASS: the new instruction was executed"
bad:
	FINISH	STATUS_FAIL, "selfmod: FAIL: a stale instruction was executed"
	REAL_END
