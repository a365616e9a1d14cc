#ifndef NESTLING_GUEST_CHECKS_USER_H
#define NESTLING_GUEST_CHECKS_USER_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/kernel/trap.h"

/* Ring 3 (user.c): short pieces of code, run until they trap. */
struct user_code {
	const char *start, *end;
	bool iopl3;             /* may use ports */
	uint64_t rdi, rsi, rcx; /* registers to begin with */
};

/*
 * Runs code in ring 3.  Returns the trap that ended it: vector T_SOFT if the code came to its end.
 */
struct fault user_run(const struct user_code *code);
/* Does the same, and the trap pushes onto the stack at trap_stack_top. */
struct fault user_run_on(const struct user_code *code, uint64_t trap_stack_top);
/* Code that ends at once. */
extern const struct user_code user_nothing;

#endif
