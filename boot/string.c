#include "lib/string.h"

#include <stdint.h>

/* What compilers call by themselves; lib/string.c is 64-bit code. */

void *(memcpy)(void *dst, const void *src, size_t n)
{
	void *to = dst;
	size_t words = n / sizeof(uint32_t);

	n %= sizeof(uint32_t);
	__asm__ volatile("rep movsl" : "+D"(to), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(n) : : "memory");
	return dst;
}

void *(memset)(void *dst, int c, size_t n)
{
	void *to = dst;
	size_t words = n / sizeof(uint32_t);
	uint32_t pattern = (uint8_t)c * 0x01010101u;

	n %= sizeof(uint32_t);
	__asm__ volatile("rep stosl" : "+D"(to), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(pattern) : "memory");
	return dst;
}

size_t
strlen(const char *s)
{
	size_t n = 0;

	while (s[n])
		n++;
	return n;
}
