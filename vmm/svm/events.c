#include "vmm/svm/svm.h"

#include "inc/x86.h"
#include "kern/trap.h"
#include "vmm/regs.h"

/* The end of an instruction, and the events that come with an exit or go in with an entry. */

/* A virtual interrupt that is pending, with the top priority, whatever the TPR is. */
#define VINTR_IRQ (BIT(8) | 0xfull << 16 | BIT(20))

/* Ends an instruction with all effects.  It stands apart from svm_skip(), whose common case then
 * needs no stack. */
static SLOW_PATH void
skip_with_effects(struct vcpu *v, const struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);

	b->rip = vcpu_rip_after(v, b->rip, x->len);
	/* Length 0: an item of a string ends, the instruction goes on, and RF stays. */
	if (x->len)
		b->rflags &= ~(uint64_t)RFLAGS_RF;
	if (b->rflags & RFLAGS_TF) {
		v->guest.dr6 |= DR6_BS;
		inject_exception(v, X86_DB);
	}
}

void
svm_skip(struct vcpu *v, const struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);
	uint64_t next = b->rip + x->len;

	b->interrupt_shadow = 0;
	if ((b->rflags & (RFLAGS_TF | RFLAGS_RF)) || (next ^ b->rip) >> 32)
		skip_with_effects(v, x);
	else
		b->rip = next;
}

/* The interrupt still waits at the CPU.  The kernel lets it in, and its own gate takes it. */
void
svm_take_interrupt(const struct hv_exit *x)
{
	if (!x->intr.nmi) /* STGI has let an NMI in already */
		trap_let_in();
}

bool
svm_irq_ready(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);

	return (b->rflags & RFLAGS_IF) && !(b->interrupt_shadow & 1);
}

/* The window is a virtual interrupt that is intercepted when the guest could take it, so that
 * nothing is delivered. */
void
svm_irq_window(struct vcpu *v, bool on)
{
	struct vmcb *b = svm_vmcb(v);

	if (on)
		b->intercepts1 |= SVM_ICPT_VINTR;
	else
		b->intercepts1 &= ~(uint32_t)SVM_ICPT_VINTR;
	b->vintr = on ? VINTR_MASKING | VINTR_IRQ : VINTR_MASKING;
}

_Static_assert(HV_EVENT_VALID == 1u << 31 && HV_EVENT_HAS_ERROR == 1 << 11,
               "hv_event.info has the layout of EVENTINJ");

void
svm_inject(struct vcpu *v)
{
	svm_vmcb(v)->event_inject = (uint64_t)v->pending.event.error << 32 | v->pending.event.info;
}
