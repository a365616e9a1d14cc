/*
 * Writes two bytes of RAM and two of a device, in adjacent pages.  The VM must be stopped with a
 * message.
 */
#include "guest/t/t.inc"
#define TABLE		(TABLES_AT + 0x1000)
	FLAT_TEST
	PRINT	"mmio-cross: a write across the end of a page"
	PAGES
	movl	$TABLE + PTE_P + PTE_W, TABLES_AT + 0x100 * 4
	movl	$TABLES_AT + 0x2000 + PTE_P + PTE_W, TABLE
	movl	$HPET + PTE_P + PTE_W, TABLE + 4
	PAGING
	movl	%eax, 0x100 << 22		/* now the RAM is mapped */
	movl	%eax, (0x100 << 22) + 0xffe
	FINISH	STATUS_WENT_ON, "mmio-cross: FAIL: went on"
	FLAT_END
