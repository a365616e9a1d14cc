/* Long mode with a 16-bit TSS in TR, which it does not have: switching it on must get #GP. */
#include "guest/t/t.inc"
#include "inc/msr.h"
#define SEL_TSS16	0x20
#define TSS_AT		0x6000
	FLAT_TEST
	SET_GATE X86_GP, on_gp
	LOAD_IDT
	lgdt	gdtr
	movw	$SEL_TSS16, %ax
	ltr	%ax
	movl	$TABLES_AT, %edi
	movl	$0x3000 / 4, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	$TABLES_AT + 0x1000 + PTE_P + PTE_W, TABLES_AT
	movl	$TABLES_AT + 0x2000 + PTE_P + PTE_W, TABLES_AT + 0x1000
	movl	$PTE_P | PTE_W | PTE_PS, TABLES_AT + 0x2000
	movl	$TABLES_AT, %eax
	movl	%eax, %cr3
	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	$CR0_PG | CR0_PE | CR0_ET, %eax
	movl	%eax, %cr0
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
