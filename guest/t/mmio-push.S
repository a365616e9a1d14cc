/*
 * Reads a device by an instruction that is not emulated.  The VM must be stopped with a message
 * that names its bytes.
 */
#include "guest/t/t.inc"
	FLAT_TEST
	PRINT	"mmio-push: pushl fed000f0h"
	pushl	HPET_COUNTER
	FINISH	STATUS_WENT_ON, "mmio-push: FAIL: went on"
	FLAT_END
