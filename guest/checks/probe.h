#ifndef NESTLING_GUEST_CHECKS_PROBE_H
#define NESTLING_GUEST_CHECKS_PROBE_H

#include <stdbool.h>
#include <stdint.h>

#include "guest/kernel/trap.h"

/* Instructions that may fault, as functions that say so (probe.c).  All return true when there was
 * no fault. */
bool probe_rdmsr(uint32_t msr, uint64_t *value, struct fault *f);
bool probe_wrmsr(uint32_t msr, uint64_t value, struct fault *f);
bool probe_xsetbv(uint32_t index, uint64_t value, struct fault *f);
/* Control register number cr: 0, 3, 4 or 8. */
bool probe_write_cr(unsigned int cr, uint64_t value, struct fault *f);
bool probe_hypercall(uint64_t number, uint64_t *result, struct fault *f);

/* One instruction of most kinds that exit: to see whether something survives them. */
void provoke_exits(void);
enum { PROVOKED_TICKS = 2 }; /* timer interrupts that provoke_exits waits for */

#endif
