/* Device memory in 16-bit code, in real mode with segments of 4 GiB. */
#include "guest/t/t.inc"
#define SEL_CODE16	0x20
	FLAT_TEST
	PRINT	"mmio16: device memory in 16-bit code"
	lgdt	gdtr
	ljmp	$SEL_CODE16, $1f
	.code16
1:	movl	%cr0, %eax
	andb	$0xfe, %al
	movl	%eax, %cr0
	ljmp	$0, $1f
1:	movl	$HPET_COUNTER, %ebx
	movl	$0x84830000, (%ebx)
	movw	$0x7654, %ax
	movw	%ax, (%ebx)
	incl	(%ebx)
	movl	(%ebx), %ecx
	cmpl	$0x84837655, %ecx
	sete	%dl
	movzbw	3(%ebx), %ax
	cmpw	$0x84, %ax
	sete	%dh
	movl	%cr0, %eax
	orb	$1, %al
	movl	%eax, %cr0
	ljmp	$SEL_CODE32, $1f
	.code32
1:	cmpw	$0x0101, %dx
	jne	fail
	FINISH	STATUS_OK, "mmio16: PASS"
fail:	FINISH	STATUS_FAIL, "mmio16: FAIL"

	.p2align 3
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0
	.quad	0x00009b000000ffff	/* SEL_CODE16 */
gdtr:	.word	gdtr - gdt - 1
	.long	gdt
	FLAT_END
