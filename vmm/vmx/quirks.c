#include "vmm/vmx/quirks.h"

#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/dev/timer.h"

uint32_t
quirk_event_info(const struct vcpu *v, uint32_t info)
{
	const struct vmx_vcpu *x = v->backend;

	return x->cr0_shadow & CR0_PE ? info : info & ~(uint32_t)HV_EVENT_HAS_ERROR;
}

void
quirk_unblock_nmi(struct vcpu *v)
{
	vmx_unblock(v, BLOCKED_NMI);
}

uint32_t
quirk_preemption_ticks(void)
{
	enum { SLICES_PER_SECOND = 100 };
	/* The timer counts down by 1 when this bit of the TSC flips. */
	unsigned int shift = BITS(rdmsr(MSR_VMX_MISC), 4, 0);

	return (uint32_t)(tsc_hz / SLICES_PER_SECOND >> shift);
}
