/* Accesses ports and MSRs for ever, those that exist and those that do not, as fast as exits go. */
#include "guest/t/t.inc"

#define UART_SCRATCH	0x3ff

	REAL_TEST
	PRINT	"storm: ports and MSRs for ever"
	SET_VECTOR X86_GP, refused
	sti
storm:	movw	$PORT_NONE, %dx
	inl	%dx, %eax
	outb	%al, %dx
	movw	$UART_SCRATCH, %dx
	outb	%al, %dx
	inb	%dx, %al
	movl	$MSR_APIC_BASE, %ecx
	rdmsr
	movl	$MSR_NONE, %ecx
	rdmsr
	wrmsr
	jmp	storm
	/* #GP: goes on behind RDMSR or WRMSR, of two bytes each. */
refused:
	movw	%sp, %bp
	addw	$2, (%bp)
	iretw
	REAL_END
