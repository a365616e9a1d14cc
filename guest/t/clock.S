/*
 * Watches TSC and RTC, and says so when one of them jumps.  While the VM is paused, they must stand
 * still.
 */
#include "guest/t/t.inc"

#define RTC_INDEX	0x70
#define RTC_SECONDS	0
#define TSC_JUMP	0x8000000 /* ticks; far more than a slice of the CPU */

/* Reads the RTC's seconds, in BCD, to AL. */
.macro READ_SECONDS
	movb	$RTC_SECONDS, %al
	outb	%al, $RTC_INDEX
	inb	$RTC_INDEX + 1, %al
.endm

	REAL_TEST
	PRINT	"clock: watching TSC and RTC"
	READ_SECONDS
	movb	%al, %bl
	rdtsc
	movl	%eax, %esi
	movl	%edx, %edi

1:	rdtsc
	movl	%eax, %ecx
	movl	%edx, %ebp
	subl	%esi, %eax
	sbbl	%edi, %edx
	jnz	tsc
	cmpl	$TSC_JUMP, %eax
	jae	tsc
	movl	%ecx, %esi
	movl	%ebp, %edi

	READ_SECONDS
	movb	%al, %ah
	subb	%bl, %al
	movb	%ah, %bl
	cmpb	$1, %al
	jbe	1b
	cmpb	$0x10 - 0x09, %al
	je	1b
	cmpb	$0x100 - 0x59, %al
	je	1b
	FINISH	STATUS_FAIL, "clock: FAIL: the RTC has jumped"
tsc:	FINISH	STATUS_FAIL, "clock: FAIL: the TSC has jumped"
	REAL_END
