/* Powers off at once, with status 0. */
#include "guest/t/t.inc"
	REAL_TEST
	FINISH	STATUS_OK, "shutdown: power off"
	REAL_END
