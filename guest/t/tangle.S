/*
 * Page tables in a knot.  One page is the table of every level; so is the last page of RAM, which
 * leads to the first.  Other entries lead to devices, beyond RAM and nowhere.  CR3 changes between
 * the two, INVLPG gets addresses that exist and that cannot exist, tables are written through
 * themselves, and each read must give what the walk leads to.  At last a walk finds a table in a
 * device's memory, and the VM must be stopped with a message.
 */
#include "guest/t/t.inc"
#define TABLE		TABLES_AT
#define ROUNDS		400
#define INDEX_LAST	6		/* index of the entry that leads to the last page of RAM */
#define INDEX_DEVICE	2
#define RUBBISH		0x800		/* where no walk looks */

	FLAT_TEST
	PRINT	"tangle: a page that is the table of every level"
	movb	$CMOS_EXT_KIB + 1, %al
	outb	%al, $CMOS_INDEX
	inb	$CMOS_DATA, %al
	movzbl	%al, %ebp
	shll	$18, %ebp
	addl	$0x100000 - 0x1000, %ebp
	movl	$TABLE, %edi
	movl	%edi, %esi
	movl	%edi, %cr3
	xorl	%eax, %eax
	movl	$1024, %ecx
	rep stosl
	movl	$TABLE + PTE_P + PTE_W + PTE_U, %eax
	movl	%eax, (%esi)
	movl	%eax, 8 * 511(%esi)
	movl	$HPET + PTE_P + PTE_W, 8 * INDEX_DEVICE(%esi)
	movl	$WILD + PTE_P + PTE_W, 8 * 3(%esi)
	decl	8 * 4 + 4(%esi)		/* all bits set, reserved ones too */
	decl	8 * 4(%esi)
	leal	PTE_P + PTE_W(%ebp), %eax
	movl	%eax, 8 * INDEX_LAST(%esi)
	movl	$0x7000 + PTE_P + PTE_W, 8 * 7(%esi)
	movl	%ebp, %edi
	movb	$4, %ch
	rep movsl

	movl	$CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_LME, %eax
	wrmsr
	movl	$CR0_PG | CR0_WP | CR0_PE, %eax
	movl	%eax, %cr0
	ljmp	$SEL_CODE64, $1f
	.code64
1:	movl	$ROUNDS, %esi
	movl	$TABLE, %edi
	movl	$entries, %r9d
next:	xorl	%ebp, %edi		/* the other root */
	xorl	$TABLE, %edi
	movq	%rdi, %cr3
	imulq	$0x2545f491, %rax, %rax	/* any number */
	addq	$0x3039, %rax
	rolq	$17, %rax
	movq	%rax, %r8
	movb	$4, %cl
1:	movl	%r8d, %ebx		/* an address: one of three entries at each level */
	andl	$3, %ebx
	shrl	$2, %r8d
	movzwl	(%r9, %rbx, 2), %ebx
	shlq	$9, %rdx
	orq	%rbx, %rdx
	decb	%cl
	jnz	1b
	shlq	$28, %rdx
	sarq	$16, %rdx
	movq	%rax, RUBBISH(%rdx)
	invlpg	(%rax)
	invlpg	(%rdx)
	movq	(%rdx), %rbx
	andw	$0xf000, %bx
	cmpq	$TABLE, %rbx
	jne	bad
	decl	%esi
	jnz	next
	movl	$INDEX_DEVICE, %edx
	shlq	$39, %rdx
	movq	(%rdx), %rax
bad:	movb	$STATUS_FAIL, %al
	outb	%al, $POWER_PORT
	hlt
entries: .word	0, INDEX_LAST, 511, 0
	.code32
	FLAT_END
