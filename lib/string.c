#include "lib/string.h"

#include <limits.h>
#include <stdint.h>

/*
 * Bulk work is done by string instructions on words as wide as a register: an
 * emulator counts one tick per iteration, so 8-byte words cost an eighth of
 * bytes.  The tail goes by bytes.
 */

/* A word at any address that may alias any object. */
typedef size_t word_t __attribute__((aligned(1), may_alias));

enum { WORD = sizeof(word_t) };

#if SIZE_MAX > UINT32_MAX
#define WORD_SUFFIX "q"
#else
#define WORD_SUFFIX "l"
#endif

/* The parentheses keep these names from being expanded as macros of lib/string.h. */
void *(memset)(void *dst, int c, size_t n)
{
	size_t pattern = SIZE_MAX / UINT8_MAX * (uint8_t)c;
	size_t words = n / WORD, bytes = n % WORD;
	void *p = dst;

	__asm__ volatile("rep stos" WORD_SUFFIX : "+D"(p), "+c"(words) : "a"(pattern) : "memory");
	__asm__ volatile("rep stosb" : "+D"(p), "+c"(bytes) : "a"(pattern) : "memory");
	return dst;
}

void *(memcpy)(void *dst, const void *src, size_t n)
{
	size_t words = n / WORD, bytes = n % WORD;
	void *p = dst;

	__asm__ volatile("rep movs" WORD_SUFFIX : "+D"(p), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(p), "+S"(src), "+c"(bytes) : : "memory");
	return dst;
}

void *
memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	/* Copying upwards is safe unless dst lies inside the source. */
	if ((uintptr_t)d - (uintptr_t)s >= n)
		return memcpy(dst, src, n);

	/* Each word is read whole before it is written, so words may overlap too. */
	for (; n >= WORD; n -= WORD)
		*(word_t *)(d + n - WORD) = *(const word_t *)(s + n - WORD);
	for (; n; n--)
		d[n - 1] = s[n - 1];
	return dst;
}

int
memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *p = a, *q = b;

	for (; n >= WORD && *(const word_t *)p == *(const word_t *)q; n -= WORD) {
		p += WORD;
		q += WORD;
	}
	for (; n; n--, p++, q++)
		if (*p != *q)
			return *p - *q;
	return 0;
}

size_t
strlen(const char *s)
{
	return strnlen(s, SIZE_MAX);
}

size_t
strnlen(const char *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len])
		len++;
	return len;
}

int
strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

int
strncmp(const char *a, const char *b, size_t n)
{
	for (; n; n--, a++, b++)
		if (*a != *b || !*a)
			return (uint8_t)*a - (uint8_t)*b;
	return 0;
}

char *
strchr(const char *s, int c)
{
	for (; *s != (char)c; s++)
		if (!*s)
			return NULL;
	return (char *)s;
}

size_t
strlcpy(char *dst, const char *src, size_t size)
{
	size_t len = strlen(src);

	if (size) {
		size_t n = len < size ? len : size - 1;
		memcpy(dst, src, n);
		dst[n] = 0;
	}
	return len;
}

/* Returns the value of a digit of any base up to 36, or 36 if it is none. */
static unsigned int
digit(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'Z')
		return c - 'A' + 10;
	return 36;
}

unsigned long
strtoul(const char *s, char **end, int base)
{
	unsigned int radix = base ? base : 10;
	unsigned long v = 0;

	if ((base == 0 || base == 16) && s[0] == '0' && (s[1] == 'x' || s[1] == 'X') &&
	    digit(s[2]) < 16) {
		radix = 16;
		s += 2;
	}
	/* Too large a number saturates, as in C: it must not look like a small one. */
	for (; digit(*s) < radix; s++)
		if (__builtin_mul_overflow(v, radix, &v) ||
		    __builtin_add_overflow(v, digit(*s), &v))
			v = ULONG_MAX;
	if (end)
		*end = (char *)s;
	return v;
}
