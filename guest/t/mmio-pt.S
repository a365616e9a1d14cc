/* Uses a device's memory as a page table.  The VM must be stopped with a message. */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"mmio-pt: a page table at fed00000h"
	PAGES
	movl	$HPET + PTE_P + PTE_W, TABLES_AT + 0x100 * 4
	PAGING
	movl	0x100 << 22, %eax
	FINISH	STATUS_WENT_ON, "mmio-pt: FAIL: went on"
	FLAT_END
