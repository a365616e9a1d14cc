/* late-key with a loop instead of HLT: nothing but an interrupt ends it. */
#include "guest/t/late-key.inc"
	LATE_KEY late-key-busy, pause
