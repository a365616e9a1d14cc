/*
 * #AC for ever: the handler of #AC runs in ring 3 on a misaligned stack.  The host and other VMs
 * must go on.
 */
#include "guest/t/t.inc"
#define SEL_UDATA32	0x0b
#define SEL_UCODE32	0x13
	FLAT_TEST
	PRINT	"acloop: a handler of #AC on a misaligned stack"
	lgdt	ac_gdtr
	SET_GATE X86_AC, on_ac, SEL_UCODE32
	LOAD_IDT
	movl	%cr0, %eax
	orl	$CR0_AM, %eax
	movl	%eax, %cr0
	pushl	$SEL_UDATA32
	pushl	$BOOT_SECTOR - 1
	pushl	$RFLAGS_AC | 0x3000 | RFLAGS_FIXED /* ring 3 may use ports, to print */
	pushl	$SEL_UCODE32
	pushl	$1f
	movl	$SEL_UDATA32, %eax
	movw	%ax, %ds
	movw	%ax, %es
	iretl
1:	movl	1, %eax
	FINISH	STATUS_SKIP, "acloop: this machine does not check alignment"
on_ac:
	FINISH	STATUS_SKIP, "acloop: the stack of #AC is not checked"
	.p2align 3
ac_gdt:	.quad	0
	.quad	0x00cff3000000ffff	/* SEL_UDATA32 */
	.quad	0x00cffb000000ffff	/* SEL_UCODE32 */
ac_gdtr:
	.word	. - ac_gdt - 1
	.long	ac_gdt
	FLAT_END
