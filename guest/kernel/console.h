#ifndef NESTLING_GUEST_KERNEL_CONSOLE_H
#define NESTLING_GUEST_KERNEL_CONSOLE_H

#include <stdarg.h>
#include <stdbool.h>

/* The console: COM1, with buffered output and input by interrupt (console.c). */

void console_init(void);
/* Appends a byte to the output buffer and sends the buffer when it is full.  '\n' becomes CR LF. */
void putchar(char c);
/* Sends what printf and putchar still hold back. */
void console_flush(void);
/* Waits until the UART takes a full FIFO.  Gives up on a dead UART after a while. */
void console_wait(void);
/* Flushes the output, then waits for a byte with the CPU halted. */
char getchar(void);
/* Returns true if getchar() would not wait. */
bool console_has_input(void);
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *fmt, va_list ap);

#endif
