#include "guest/boot/loader.h"

/* lib/string.c is 64-bit code. */
void *
memset(void *dst, int c, size_t n)
{
	void *p = dst;

	__asm__ volatile("rep stosb" : "+D"(p), "+c"(n) : "a"(c) : "memory");
	return dst;
}
