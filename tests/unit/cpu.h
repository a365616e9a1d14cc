#ifndef NESTLING_TESTS_UNIT_CPU_H
#define NESTLING_TESTS_UNIT_CPU_H

/*
 * The kernel's lock, for code that takes and releases it.  The lock asks which CPU this is, and
 * that is found by the stack (kern/cpu.h), so the tests have to run on a CPU's.
 */

/* What fn returns, called on the stack of CPU 0; 1 if it could not be. */
int on_a_cpu(int (*fn)(void));

#endif
