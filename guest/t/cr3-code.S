/* Two address spaces have different code at one address.  The code accesses device memory. */
#include "guest/t/t.inc"
#define OTHER_TABLES	(TABLES_AT + 0x1000)
#define CODE		0x400000	/* gva: each space has a page table of its own for it */
#define CODE_TABLE	(TABLES_AT + 0x2000)
#define OTHER_TABLE	(TABLES_AT + 0x3000)
#define CODE_AT		(TABLES_AT + 0x4000)
#define OTHER_AT	(TABLES_AT + 0x5000)
#define LARGE		(PTE_P | PTE_W | PTE_PS)
#define LOAD_RET	0xc3038b	/* movl (%ebx), %eax; ret */
#define STORE_RET	0xc30389	/* movl %eax, (%ebx); ret */
#define VALUE		0x12345678
	FLAT_TEST
	PRINT	"cr3-code: one address, other code behind another CR3"
	PAGES
	movl	$0x3000 / 4, %ecx
	rep stosl
	movl	$LARGE, OTHER_TABLES
	movl	$CODE_TABLE | PTE_P, TABLES_AT + (CODE >> 22) * 4
	movl	$OTHER_TABLE | PTE_P, OTHER_TABLES + (CODE >> 22) * 4
	movl	$CODE_AT | PTE_P, CODE_TABLE
	movl	$OTHER_AT | PTE_P, OTHER_TABLE
	movl	$0xfec00000 | LARGE, %eax
	movl	%eax, TABLES_AT + (HPET >> 22) * 4
	movl	%eax, OTHER_TABLES + (HPET >> 22) * 4
	movl	$LOAD_RET, CODE_AT
	movl	$STORE_RET, OTHER_AT
	PAGING
	movl	$HPET_COUNTER, %ebx
	movl	$CODE, %esi
	call	*%esi
	movl	$OTHER_TABLES, %eax
	movl	%eax, %cr3
	movl	$VALUE, %eax
	call	*%esi
	movl	$TABLES_AT, %eax
	movl	%eax, %cr3
	call	*%esi
	cmpl	$VALUE, %eax
	jne	fail
	FINISH	STATUS_OK, "cr3-code: PASS"
fail:	FINISH	STATUS_FAIL, "cr3-code: FAIL"
	FLAT_END
