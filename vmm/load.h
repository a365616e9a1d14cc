#ifndef NESTLING_VMM_LOAD_H
#define NESTLING_VMM_LOAD_H

#include "kern/cpu.h"
#include "vmm/vmm.h"

/* Puts v's control block and registers on this CPU.  Another vCPU's state, if there is one, leaves.
 */
void vcpu_load(struct vcpu *v);

/* The same where v's state may be on this CPU already. */
static inline void
vcpu_current(struct vcpu *v)
{
	if (this_cpu()->vcpu != v)
		vcpu_load(v);
}

#endif
