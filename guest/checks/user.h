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

/* How the code ended: vector T_SOFT when it came to its end. */
struct fault user_run(const struct user_code *code);
/* The same with this stack for the trap. */
struct fault user_run_on(const struct user_code *code, uint64_t trap_stack_top);
/* Code that does nothing but end. */
extern const struct user_code user_nothing;

#endif
