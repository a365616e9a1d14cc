#include "inc/error.h"

static const char *const error_texts[E_MAX] = {[E_OK] = "no error",
#define X(name, text) [name] = text,
                                               ERROR_TABLE(X)
#undef X
};

const char *
error_text(long e)
{
	/* Negated without overflow: LONG_MIN has no positive counterpart. */
	unsigned long n = e < 0 ? -(unsigned long)e : (unsigned long)e;

	return n < E_MAX ? error_texts[n] : "unknown error";
}
