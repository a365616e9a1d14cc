#ifndef NESTLING_TESTS_UNIT_NOINPUT_H
#define NESTLING_TESTS_UNIT_NOINPUT_H

#include "kern/console.h"

/* Nobody types.  How often has that been asked? */
unsigned int input_polls, input_steps;

void
console_poll(void)
{
	input_polls++;
}

void
console_step(void)
{
	input_steps++;
}

#endif
