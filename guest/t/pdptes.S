/*
 * PAE's four top entries are registers.  An instruction that loads them must get #GP if one is
 * wrong; nothing else may look at them.
 */
#include "guest/t/t.inc"
#define PDPTES		(TABLES_AT + 0x1000)
#define DIRECTORY	(TABLES_AT + 0x2000)

/* Executes a MOV that must get #GP. */
.macro MUST_FAULT instruction:vararg
	movl	$8f, %ebx
	\instruction
	jmp	fail
8:
.endm

	FLAT_TEST
	SET_GATE X86_GP, on_gp
	LOAD_IDT
	PAGES
	movl	$0x2000 / 4, %ecx
	rep stosl
	PAGING
	movl	%cr4, %edx
	orl	$CR4_PAE, %edx
	MUST_FAULT movl %edx, %cr4	/* loads the four from the page directory */
	movl	%cr0, %eax
	andl	$~CR0_PG, %eax
	movl	%eax, %cr0
	orl	$CR4_PAE, %edx
	movl	%edx, %cr4
	movl	$DIRECTORY | PTE_P, PDPTES
	movl	$PTE_P | PTE_W | PTE_PS, DIRECTORY
	movl	$PDPTES, %ecx
	movl	%ecx, %cr3
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	$PTE_P | PTE_W, PDPTES + 3 * 8
	movl	$fail, %ebx
	xorl	$CR0_NE, %eax
	movl	%eax, %cr0		/* loads none */
	orl	$CR0_CD, %eax
	MUST_FAULT movl %eax, %cr0
	FINISH	STATUS_OK, "pdptes: PASS"
fail:	FINISH	STATUS_FAIL, "pdptes: FAIL"
on_gp:	addl	$4, %esp
	movl	%ebx, (%esp)
	iretl
	FLAT_END
