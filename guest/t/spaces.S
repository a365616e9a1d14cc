/*
 * More address spaces than shadow paging keeps tables for.  Each space has tables of its own, which
 * serve 32-bit, PAE and 4-level paging alike.  Each is visited in all three formats, with CR0.WP
 * clear and set, and with SMEP if there is one; it must reach its own memory and no other's.
 *
 * A space is four pages: tables of level 4, 3, 2 and 1.  Address 0 leads to the level-2 table,
 * which has the space's stamp and count behind its entries.  32-bit paging uses the first two
 * pages, with the low halves of their entries, as a directory and a table.
 */
#include "guest/t/t.inc"
#define SPACES		128
#define SPACE_SIZE	0x4000
#define SPACES_AT	0x100000
#define SPACES_END	(SPACES_AT + SPACES * SPACE_SIZE)
#define CODE_ENTRY	7		/* index of the page that this code is in */
#define PDPTES		0x20		/* PAE's top entries, in the level-3 table: no rights */
#define STAMP		0x800
#define COUNT		0x804
#define MODES		3
#define WP_BIT		16		/* in CR0 */
#define PG_BIT		31
#define SMEP_SHIFT	13		/* from CPUID.7:EBX to CR4 */

	FLAT_TEST
	PRINT	"spaces: 128 of them"
	movl	$SPACES_AT, %edi
	movl	$0x1000, %edx
	movl	$0x7000 + PTE_P + PTE_W, %ecx
1:	leal	PTE_P + PTE_W + PTE_U(%edi, %edx), %eax
	movl	%eax, (%edi)
	addl	%edx, %edi
	addl	%edx, %eax
	leal	-PTE_W - PTE_U(%eax), %ebx
	movl	%eax, (%edi)
	movl	%ecx, 4 * CODE_ENTRY(%edi)
	movl	%ebx, PDPTES(%edi)
	addl	%edx, %edi
	addl	%edx, %eax
	movl	%eax, (%edi)
	movl	%edi, STAMP(%edi)
	addl	%edx, %edi
	movl	%ebx, (%edi)		/* read-only, in PAE and 4-level paging */
	movl	%ecx, 8 * CODE_ENTRY(%edi)
	addl	%edx, %edi
	cmpl	$SPACES_END, %edi
	jb	1b

	xorl	%ecx, %ecx
	movl	$7, %eax
	cpuid
	andl	$CR4_SMEP >> SMEP_SHIFT, %ebx
	shll	$SMEP_SHIFT, %ebx
	movl	$modes, %esi
next_mode:
	xorl	%edx, %edx
	xorl	%eax, %eax
	movl	$MSR_EFER, %ecx
	lodsw
	wrmsr
	lodsw
	orl	%ebx, %eax
	movl	%eax, %cr4
	cwtl
	lodsw
	movl	%eax, %ebp
	movl	%cr0, %edx
	btsl	$PG_BIT, %edx
	leal	SPACES_AT(%ebp), %eax
	movl	%eax, %cr3
pass:	movl	%edx, %cr0
	movl	$SPACES_AT, %edi
visit:	leal	(%edi, %ebp), %eax
	movl	%eax, %cr3
	movl	STAMP, %eax
	subl	%edi, %eax
	cmpl	$0x2000, %eax
	jne	bad
	btl	$WP_BIT, %edx
	jc	1f
	incl	COUNT
1:	addl	$SPACE_SIZE, %edi
	cmpl	$SPACES_END, %edi
	jb	visit
	btcl	$WP_BIT, %edx
	jnc	pass
	btrl	$PG_BIT, %edx
	movl	%edx, %cr0
	cmpl	$modes_end, %esi
	jb	next_mode

1:	subl	$SPACE_SIZE, %edi
	cmpl	$MODES, 0x2000 + COUNT(%edi)
	jne	bad
	cmpl	$SPACES_AT, %edi
	ja	1b
	FINISH	STATUS_OK, "spaces: PASS"
bad:	FINISH	STATUS_FAIL, "spaces: FAIL"
	/* EFER, CR4, and the offset in a space that CR3 points to */
modes:	.word	0, 0, 0
	.word	0, CR4_PAE, 0x1000 + PDPTES
	.word	EFER_LME, CR4_PAE, 0
modes_end:
	FLAT_END
