#include "inc/x86.h"
#include "vmm/shadow/shadow.h"
#include "vmm/svm/svm.h"

/*
 * The guest's paging registers, with nested and with shadow paging: what the processor runs the
 * guest with.
 *
 * Shadow paging: nested paging is off from the guest's first instruction on.  While the guest has
 * no paging, its addresses go through shadow tables all the same, also in real mode (APM vol. 2,
 * "Paged Real Mode").
 */

/* CR4 that the processor runs the guest with: machine checks are the host's. */
static uint64_t
cr4_hardware(uint64_t value)
{
	return value | (read_cr4() & CR4_MCE);
}

void
svm_set_cr(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	struct vmcb *b = svm_vmcb(v);

	v->tlb.stale |= TLB_LINEAR;
	if (r == HV_CR0)
		b->cr0 = value;
	else if (r == HV_CR3)
		b->cr3 = value;
	else
		b->cr4 = cr4_hardware(value);
	/* The processor flushes when the guest itself writes; here we must. */
	svm_flush(v);
}

void
svm_shadow_load(struct vcpu *v)
{
	struct vmcb *b = svm_vmcb(v);
	struct shadow_regs hw;

	shadow_hardware(v->shadow, &hw);
	b->cr0 = hw.cr0;
	b->cr3 = hw.cr3;
	b->cr4 = cr4_hardware(hw.cr4);
	b->efer = hw.efer | EFER_SVME;
	v->tlb.stale |= TLB_LINEAR;
	svm_flush(v);
}
