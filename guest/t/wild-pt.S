/* Uses a page table in memory that does not exist.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"wild-pt: a page table at c8000000h"
	PAGES
	movl	$WILD + PTE_P + PTE_W, TABLES_AT + 0x100 * 4
	PAGING
	movl	0x100 << 22, %eax
	FINISH	STATUS_WENT_ON, "wild-pt: FAIL: went on"
	FLAT_END
