#ifndef NESTLING_VMM_LOAD_H
#define NESTLING_VMM_LOAD_H

#include "kern/cpu.h"
#include "vmm/vmm.h"

/* Makes v current: puts its control block and registers on this CPU.  Another vCPU's state leaves
 * the CPU first.  No other CPU may have v's state. */
void vcpu_load(struct vcpu *v);

/* Like vcpu_load(), but v's state may be on this CPU already. */
static inline void
vcpu_current(struct vcpu *v)
{
	if (this_cpu()->vcpu != v)
		vcpu_load(v);
}

#endif
