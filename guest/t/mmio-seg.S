/*
 * MOVS out of device memory into a segment that is too short, read-only or null must get #GP, and
 * leave memory and registers as they were.
 */
#include "guest/t/t.inc"
#define SEL_SHORT	0x18
#define SEL_CONST	0x20
#define LIMIT		0xfff
#define LAST		0xffc		/* last offset of a doubleword in SEL_SHORT */
#define BEYOND		0xffd
#define UNTOUCHED	0x13579bdf
#define VALUE		0x84838281

	FLAT_TEST
	SET_GATE X86_GP, on_gp
	LOAD_IDT
	lgdt	gdtr
	movl	$VALUE, HPET_COUNTER
	movl	$copies, %ebx
copy:	movw	(%ebx), %es
	movzwl	2(%ebx), %edi
	movl	%edi, %ebp
	movl	$UNTOUCHED, %ds:(%ebp)
	movl	$HPET_COUNTER, %esi
	movsl
	leal	4(%ebp), %edx
	cmpl	%edx, %edi
	jne	fail
behind:	movl	%ds:(%ebp), %eax
	cmpl	4(%ebx), %eax
	jne	fail
	addl	$8, %ebx
	cmpl	$copies_end, %ebx
	jne	copy
	FINISH	STATUS_OK, "mmio-seg: PASS"
fail:	FINISH	STATUS_FAIL, "mmio-seg: FAIL"

on_gp:	cmpl	%ebp, %edi
	jne	fail
	cmpl	$HPET_COUNTER, %esi
	jne	fail
	addl	$4, %esp
	movl	$behind, (%esp)
	iretl

/* A MOVS: segment and offset of its destination, and what is there afterwards. */
.macro COPY selector, at, found
	.word	\selector, \at
	.long	\found
.endm
copies:	COPY	SEL_SHORT, LAST, VALUE
	COPY	SEL_SHORT, BEYOND, UNTOUCHED
	COPY	SEL_CONST, LAST, UNTOUCHED
	COPY	0, LAST, UNTOUCHED
	COPY	SEL_DATA, BEYOND, VALUE
copies_end:

	.p2align 3
gdt:	.quad	0
	.quad	0x00cf9b000000ffff	/* SEL_CODE32 */
	.quad	0x00cf93000000ffff	/* SEL_DATA */
	.quad	0x0040930000000000 + LIMIT	/* SEL_SHORT */
	.quad	0x00cf91000000ffff	/* SEL_CONST */
gdtr:	.word	gdtr - gdt - 1
	.long	gdt
	FLAT_END
