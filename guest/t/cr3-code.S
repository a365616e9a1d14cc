/* Two address spaces with different code at one address, which accesses device memory. */
#include "guest/t/t.inc"
#define OTHER_TABLES	(TABLES_AT + 0x1000)
#define CODE		0x400000
#define OTHER_CODE	0x800000
#define LARGE		(PTE_P | PTE_W | PTE_PS)
#define LOAD_RET	0xc3038b	/* movl (%ebx), %eax; ret */
#define STORE_RET	0xc30389	/* movl %eax, (%ebx); ret */
#define VALUE		0x12345678
	FLAT_TEST
	PRINT	"cr3-code: one address, other code behind another CR3"
	PAGES
	movl	$0x1000 / 4, %ecx
	rep stosl
	movl	$LARGE, OTHER_TABLES
	movl	$CODE | LARGE, TABLES_AT + (CODE >> 22) * 4
	movl	$OTHER_CODE | LARGE, OTHER_TABLES + (CODE >> 22) * 4
	movl	$0xfec00000 | LARGE, %eax
	movl	%eax, TABLES_AT + (HPET >> 22) * 4
	movl	%eax, OTHER_TABLES + (HPET >> 22) * 4
	movl	$LOAD_RET, CODE
	movl	$STORE_RET, OTHER_CODE
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
