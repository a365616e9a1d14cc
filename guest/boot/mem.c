#include "lib/string.h"

/* What the compiler may call, too.  lib/string.c is 64-bit code.  Names in parentheses
 * are not taken for the macros of lib/string.h. */
void *(memset)(void *dst, int c, size_t n)
{
	void *p = dst;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return dst;
}

void *(memcpy)(void *dst, const void *src, size_t n)
{
	void *p = dst;

	__asm__ volatile("rep movsb" : "+D"(p), "+S"(src), "+c"(n) : : "memory");
	return dst;
}
