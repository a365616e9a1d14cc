#ifndef NESTLING_TESTS_UNIT_CPU_H
#define NESTLING_TESTS_UNIT_CPU_H

#include "tests/unit/unit.h"

/*
 * The kernel's lock, for code that takes and releases it.  The lock asks which CPU this is, and
 * that is found by the stack (kern/cpu.h), so the tests have to run on a CPU's.
 */

/* What fn returns, called on the stack of CPU 0; 1 if it could not be. */
int on_a_cpu(int (*fn)(void));

/* UNIT_MAIN for tests that must run there. */
#define UNIT_MAIN_ON_A_CPU(...)                                   \
	static int all_tests(void)                                \
	{                                                         \
		const struct CMUnitTest tests[] = {__VA_ARGS__};  \
		return cmocka_run_group_tests(tests, NULL, NULL); \
	}                                                         \
	int main(void)                                            \
	{                                                         \
		return on_a_cpu(all_tests);                       \
	}

#endif
