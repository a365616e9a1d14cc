#ifndef NESTLING_TESTS_UNIT_CPU_H
#define NESTLING_TESTS_UNIT_CPU_H

#include "tests/unit/unit.h"

/*
 * The kernel's lock, for tests of code that takes and releases it.  The lock asks on which CPU it
 * is, and the stack tells that (kern/cpu.h), so these tests must run on the stack of a CPU.
 */

/* Calls fn on the stack of CPU 0.  Returns its result; 1 if no thread can be started. */
int on_a_cpu(int (*fn)(void));

/* UNIT_MAIN for tests that must run on the stack of CPU 0. */
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
