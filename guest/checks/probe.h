#ifndef NESTLING_GUEST_CHECKS_PROBE_H
#define NESTLING_GUEST_CHECKS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/kernel/trap.h"

/*
 * Each executes an instruction that may fault (probe.c).  Returns true if it did not; else *f,
 * unless NULL, says how it faulted.
 */
bool probe_rdmsr(uint32_t msr, uint64_t *value, struct fault *f);
bool probe_wrmsr(uint32_t msr, uint64_t value, struct fault *f);
bool probe_xsetbv(uint32_t index, uint64_t value, struct fault *f);
/* Writes control register `cr`: 0, 3, 4 or 8. */
bool probe_write_cr(unsigned int cr, uint64_t value, struct fault *f);
bool probe_hypercall(uint64_t number, uint64_t *result, struct fault *f);

/*
 * Executes instructions of most kinds that exit and waits for timer interrupts.  A check calls this
 * to see whether a register survives exits.
 */
void provoke_exits(void);
enum { PROVOKED_TICKS = 2 }; /* timer interrupts that provoke_exits waits for */

#endif
