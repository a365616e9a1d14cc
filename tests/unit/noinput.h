#ifndef NESTLING_TESTS_UNIT_NOINPUT_H
#define NESTLING_TESTS_UNIT_NOINPUT_H

#include "kern/console.h"

/* Nobody types. */
void
console_poll(void)
{
}

void
console_step(void)
{
}

#endif
