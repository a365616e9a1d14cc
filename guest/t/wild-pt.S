/* Uses a page table in memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"wild-pt: a page table at c8000000h"
	movl	$TABLES_AT, %edi
	movl	$1024, %ecx
	xorl	%eax, %eax
	rep stosl
	movl	$PTE_P | PTE_W | PTE_PS, TABLES_AT	/* the first 4 MiB at their addresses */
	movl	$WILD + PTE_P + PTE_W, TABLES_AT + 0x100 * 4
	movl	$TABLES_AT, %eax
	movl	%eax, %cr3
	movl	%cr4, %eax
	orl	$CR4_PSE, %eax
	movl	%eax, %cr4
	movl	%cr0, %eax
	orl	$CR0_PG, %eax
	movl	%eax, %cr0
	movl	0x100 << 22, %eax
	FINISH	STATUS_WENT_ON, "wild-pt: FAIL: went on"
	FLAT_END
