#ifndef NESTLING_LIB_STRING_H
#define NESTLING_LIB_STRING_H

#include <stddef.h>

/* The C library's functions, as far as we need them; shared by kernel, user programs and guest. */
void *memset(void *dst, int c, size_t n);
void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
int memcmp(const void *a, const void *b, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t n);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
/* Copies at most size - 1 bytes and always closes with 0.  Returns strlen(src). */
size_t strlcpy(char *dst, const char *src, size_t size);
/*
 * Reads a number in base 0 (0x prefix or decimal), 10 or 16.  *end, unless NULL, gets the place
 * behind it.
 */
unsigned long strtoul(const char *s, char **end, int base);

/*
 * Freestanding code is compiled without builtin functions.  These macros bring two of them back,
 * which need no call where the size is a small constant.
 */
#ifndef memcpy
#define memset(dst, c, n)   __builtin_memset(dst, c, n)
#define memcpy(dst, src, n) __builtin_memcpy(dst, src, n)
#endif

#endif
