#include "guest/t/late-key.inc"
	LATE_KEY late-key, hlt
