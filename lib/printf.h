#ifndef NESTLING_LIB_PRINTF_H
#define NESTLING_LIB_PRINTF_H

#include <stdarg.h>
#include <stddef.h>

/*
 * The one formatter of kernel, user programs and guest: %d %i %u %x %X %o %c %s %p %%, flags - 0 +
 * space #, width and precision (also *), h hh l ll z j.  No floating point.
 */
void vformat(void (*put)(void *arg, char c), void *arg, const char *fmt, va_list ap);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int snprintf(char *buf, size_t size, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
