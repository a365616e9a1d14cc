#ifndef NESTLING_GUEST_CHECKS_CHECK_H
#define NESTLING_GUEST_CHECKS_CHECK_H

#include <stdbool.h>

/* Checks: each prints a line and is counted (check.c). */

/* Prints PASS or FAIL and the text.  Returns ok. */
bool check(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/*
 * Checks what only a VM of Nestling's must pass, since emulators are less strict.  Elsewhere a
 * failure prints NOTE and is not counted.
 */
bool check_in_vm(bool ok, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Passes if fn(arg) faults with this vector. */
bool check_fault(void (*fn)(void *), void *arg, unsigned int vector, const char *what);
/* Passes if fn(arg) does not fault. */
bool check_runs(void (*fn)(void *), void *arg, const char *what);

struct check_counts {
	unsigned int passed, failed;
};
/* Returns how many checks have passed and failed since boot. */
struct check_counts check_counts(void);

#endif
