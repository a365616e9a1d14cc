#include "lib/string.h"

/* What lib/printf.c and the test need of lib/string.h, beside guest/boot/mem.c: lib/string.c is
 * 64-bit code. */

size_t
strnlen(const char *s, size_t n)
{
	size_t len = 0;

	while (len < n && s[len])
		len++;
	return len;
}

size_t
strlen(const char *s)
{
	return strnlen(s, (size_t)-1);
}

int
strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++)
		if (*a != *b || !*a)
			return *(const unsigned char *)a - *(const unsigned char *)b;
	return 0;
}
