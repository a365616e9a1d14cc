/* Calls BIOS INT 13h.  A VM has no BIOS: it must be stopped with a message that says so. */
#include "guest/t/t.inc"
	REAL_TEST
	PRINT	"bios: INT 13h, function 0"
	movb	$0, %ah
	movb	$0x80, %dl
	int	$0x13
	FINISH	STATUS_WENT_ON, "bios: INT 13h returned"
	REAL_END
