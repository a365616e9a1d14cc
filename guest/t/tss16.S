/* Long mode has no 16-bit TSS: switching it on with such a TSS in TR must get #GP. */
#include "guest/t/t.inc"
#define SEL_TSS16	0x20
#define TSS_AT		0x6000
	FLAT_TEST
	SET_GATE X86_GP, on_gp
	LOAD_IDT
	lgdt	gdtr
	movw	$SEL_TSS16, %ax
	ltr	%ax
	LONG_PAGES
	LONG_MODE
	FINISH	STATUS_FAIL, "tss16: FAIL: no exception"
on_gp:	FINISH	STATUS_OK, "tss16: PASS: #GP"

	.p2align 3
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0
	.quad	0x000081000000002b | TSS_AT << 16
gdtr:	.word	gdtr - gdt - 1
	.long	gdt
	FLAT_END
