/* Nothing but an interrupt ends this wait. */
#include "guest/t/late-key.inc"
	LATE_KEY late-key-busy, pause
