#include "vmm/vmm.h"

#include "inc/x86.h"
#include "kern/dev/timer.h"

/* Events on their way into the guest: at most one is delivered by an entry. */

void
inject_event(struct vcpu *v, struct hv_event ev)
{
	/* An interrupt that was being delivered has been taken from the PIC: it must not get lost.
	 */
	if ((v->pending.event.info & HV_EVENT_VALID) &&
	    (v->pending.event.info & HV_EVENT_TYPE) == HV_EVENT_INTR)
		v->pending.held_irq = HV_EVENT_VALID | (v->pending.event.info & 0xff);
	v->pending.event = ev;
	v->attention = true;
}

void
inject_exception(struct vcpu *v, unsigned int vector)
{
	inject_event(v, (struct hv_event){.info = HV_EVENT_VALID | HV_EVENT_EXCEPTION | vector});
}

void
inject_exception_error(struct vcpu *v, unsigned int vector, uint32_t error)
{
	/* Real mode pushes no error codes. */
	uint32_t has_error = hv->get_cr(v, 0) & CR0_PE ? HV_EVENT_HAS_ERROR : 0;

	inject_event(v, (struct hv_event){.info = HV_EVENT_VALID | HV_EVENT_EXCEPTION | has_error |
	                                          vector,
	                                  .error = error});
}

void
inject_page_fault(struct vcpu *v, uint64_t gva, uint32_t error)
{
	write_cr2(gva);
	inject_exception_error(v, X86_PF, error);
}

bool
inject_pending(struct vcpu *v)
{
	bool window = false;

	if (v->pending.held_irq && !v->pending.event.info && hv->irq_ready(v)) {
		v->pending.event = (struct hv_event){.info = HV_EVENT_INTR | v->pending.held_irq};
		v->pending.held_irq = 0;
	}
	if (v->irq_wanted || v->pending.held_irq) {
		if (v->irq_wanted && !v->pending.held_irq && !v->pending.event.info &&
		    hv->irq_ready(v))
			return true;
		window = true;
	}
	if (window && hv->blocking_at_risk && hv->blocking_at_risk(v)) {
		window = false; /* it would open before the blocking ends */
		v->attention = true;
		timer_soon();
	}
	if (window != v->pending.window_open) {
		hv->irq_window(v, window);
		v->pending.window_open = window;
	}
	if (v->pending.event.info) {
		v->pending.halted = false;
		v->pending.dead_halt = false;
		hv->inject(v);
		v->pending.event.info = 0;
	}
	return false;
}
