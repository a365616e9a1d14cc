#ifndef NESTLING_KERN_CONSOLE_H
#define NESTLING_KERN_CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Serial port COM1 (115200 8N1) and VGA text, both at once. */
void console_init(void);
void console_putc(int c);
void console_write(const char *s, size_t n);
/* Ends the line that is being written, if there is one. */
void console_fresh_line(void);
/* Takes what the serial port and keyboard hold into the input buffer. */
void console_take(void);
/* Has input come since the last call?  Then those who wait for it must hear. */
bool console_has_news(void);
/* Calls fn when input has come while the kernel was at work, and no trap may follow. */
void console_on_input(void (*fn)(void));
/* The next input byte, or -1. */
int console_getc(void);
/* A line for the kernel monitor, edited as lib/line.h says; after ^C an empty one. */
void console_readline(const char *prompt, char *buf, size_t size);

int kprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int kvprintf(const char *fmt, va_list ap);

#endif
