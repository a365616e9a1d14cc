/*
 * #DB for ever, in its own delivery: a breakpoint on the stack that #DB pushes to.  The host and
 * other VMs must go on.
 */
#include "guest/t/t.inc"
#define DB_STACK	0x6000
#define TSS_AT		0x7000
#define SEL_TSS64	0x20
#define GATE64		0x8e01	/* interrupt gate, stack 1 */
#define DR7_WRITE_4	0xd0001	/* slot 0: writes of 4 bytes */
	FLAT_TEST
	PRINT	"dbstack: a breakpoint on the stack of #DB"
	movl	$IDT_AT, %edi		/* clear IDT and TSS, then the page tables */
	movl	$(TSS_AT + 0x100 - IDT_AT) / 4, %ecx
	xorl	%eax, %eax
	rep stosl
	LONG_PAGES
	movw	$on_db, IDT_AT + X86_DB * 16
	movl	$SEL_CODE64 | GATE64 << 16, IDT_AT + X86_DB * 16 + 2
	movl	$DB_STACK, TSS_AT + 36	/* interrupt stack 1 */
	lgdt	db_gdtr
	lidt	db_idtr
	LONG_MODE
	ljmp	$SEL_CODE64, $1f
	.code64
1:	movl	$SEL_TSS64, %eax
	ltr	%ax
	movl	$DB_STACK - 8, %eax	/* where each delivery pushes SS */
	movq	%rax, %dr0
	movl	$DR7_WRITE_4, %eax
	movq	%rax, %dr7
	movl	%eax, DB_STACK - 8
	movb	$STATUS_WENT_ON, %al	/* reached only if pushes do not meet breakpoints */
on_db:	movb	$STATUS_SKIP, %al
	outb	%al, $POWER_PORT
2:	hlt
	jmp	2b
	.p2align 3
db_gdt:	.quad	0, 0, 0
	.quad	0x00af9b000000ffff	/* SEL_CODE64 */
	.quad	0x0000890000000067 | TSS_AT << 16, 0
db_gdtr:
	.word	. - db_gdt - 1
	.long	db_gdt
db_idtr:
	.word	16 * 32 - 1
	.long	IDT_AT
	FLAT_END
