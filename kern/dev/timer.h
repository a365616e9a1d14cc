#ifndef NESTLING_KERN_DEV_TIMER_H
#define NESTLING_KERN_DEV_TIMER_H

#include <stdint.h>

/* Time (kern/dev/timer.c): LAPIC timer and TSC, calibrated against the PIT. */
void timer_init(void); /* on the boot CPU */
extern uint64_t tsc_hz;
void timer_program(uint64_t tsc); /* one interrupt T_TIMER at or soon after this TSC */
/* An interrupt T_TIMER within a millisecond, besides.  Needs no lock. */
void timer_soon(void);

#endif
