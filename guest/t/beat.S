/* Executes CPUID and yields the CPU, for ever.  Hundreds of such VMs can run at once. */
#include "guest/t/t.inc"

#define HC_YIELD	4

	REAL_TEST
	cli
1:	xorl	%eax, %eax
	cpuid
	movl	$HC_YIELD, %eax
	cmpl	$0x756e6547, %ebx	/* "Genu"ineIntel */
	je	2f
	vmmcall
	jmp	1b
2:	vmcall
	jmp	1b
	REAL_END
