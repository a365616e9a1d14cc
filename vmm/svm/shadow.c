#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "vmm/svm/svm.h"

/*
 * Shadow paging on SVM: nested paging is off, from the guest's first instruction on.  While the
 * guest has no paging, its addresses go through shadow tables all the same, also in real mode
 * (APM vol. 2, "Paged Real Mode").
 */

void
svm_shadow_controls(struct vmcb *b)
{
	b->np_enable = 0;
	b->cr_reads |= 1 << 0 | 1 << 3;
	b->cr_writes |= 1 << 3;
	b->exceptions |= 1 << X86_PF;
	b->intercepts1 |= SVM_ICPT_INVLPG;
}

void
svm_shadow_load(struct vcpu *v)
{
	struct vmcb *b = svm_vmcb(v);
	struct shadow_regs hw;

	shadow_hardware(v->shadow, &hw);
	b->cr0 = hw.cr0;
	b->cr3 = hw.cr3;
	b->cr4 = hw.cr4 | (read_cr4() & CR4_MCE);
	b->efer = hw.efer | EFER_SVME;
	v->tlb.stale |= TLB_LINEAR;
	svm_flush(v);
}
