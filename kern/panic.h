#ifndef NESTLING_KERN_PANIC_H
#define NESTLING_KERN_PANIC_H

#include <stdarg.h>
#include <stdint.h>

struct trapframe;

/* A panic on its way to whoever reports it. */
struct panic {
	const char *fmt;
	va_list args;
	const char *file; /* where panic() stands; NULL: in panic_trap() */
	int line;
	const uint64_t *frame; /* of panic_at(): the caller's rbp, and where it would return to */
	struct trapframe *tf;  /* of panic_trap(), or NULL */
};

/*
 * Reports a panic and ends the machine (kern/crash.c).  A pointer, so that every file may panic
 * and none depends on what a report needs.  Set before anything else happens.  Does not return.
 */
extern void (*panic_handler)(struct panic *p);

/* Panics about a trap of the host's own: message, registers, and the backtrace from the trap. */
_Noreturn void panic_trap(struct trapframe *tf, const char *fmt, ...)
        __attribute__((format(printf, 2, 3)));

#endif
