#include "vmm/vmm.h"

#include "inc/x86.h"
#include "kern/dev/timer.h"
#include "vmm/gmem.h"

/* Events for the guest.  An entry delivers at most one. */

void
inject_event(struct vcpu *v, struct hv_event ev)
{
	/* An event that waits already may be an interrupt that has left the PIC: do not lose it. */
	if ((v->pending.event.info & HV_EVENT_VALID) &&
	    (v->pending.event.info & HV_EVENT_TYPE) == HV_EVENT_INTR)
		inject_hold_irq(v, (uint8_t)v->pending.event.info);
	v->pending.event = ev;
	vcpu_request(v, REQ_EVENT);
}

void
inject_hold_irq(struct vcpu *v, uint8_t vector)
{
	v->pending.held_irq = vector;
	vcpu_request(v, REQ_HELD_IRQ);
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
	uint32_t has_error = hv->get_reg(v, HV_CR0) & CR0_PE ? HV_EVENT_HAS_ERROR : 0;

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

/* Switches an exit on or off that comes as soon as the guest can take an interrupt. */
static void
set_window(struct vcpu *v, bool on)
{
	hv->irq_window(v, on);
	if (on)
		vcpu_request(v, REQ_WINDOW);
	else
		vcpu_drop_request(v, REQ_WINDOW);
}

bool
inject_pending(struct vcpu *v)
{
	uint32_t requests = vcpu_requested(v, REQ_EVENT | REQ_HELD_IRQ | REQ_IRQ | REQ_WINDOW);
	bool window;

	if ((requests & (REQ_EVENT | REQ_HELD_IRQ)) == REQ_HELD_IRQ && hv->irq_ready(v)) {
		v->pending.event.info = HV_EVENT_VALID | HV_EVENT_INTR | v->pending.held_irq;
		v->pending.event.len = 0;
		vcpu_drop_request(v, REQ_HELD_IRQ);
		requests = (requests & ~(uint32_t)REQ_HELD_IRQ) | REQ_EVENT;
	}
	if ((requests & (REQ_EVENT | REQ_HELD_IRQ | REQ_IRQ)) == REQ_IRQ && hv->irq_ready(v))
		return true;
	window = requests & (REQ_IRQ | REQ_HELD_IRQ);
	if (window && hv->traits.entry_drops_blocking && hv->get_reg(v, HV_BLOCKING)) {
		window = false; /* it would open at once, for the entry drops blocking */
		timer_soon();
	}
	if (window != !!(requests & REQ_WINDOW))
		set_window(v, window);
	if (requests & REQ_EVENT) {
		vcpu_drop_request(v, REQ_EVENT | REQ_HALTED);
		v->pending.dead_halt = false;
		hv->inject(v);
		v->pending.event.info = 0;
	}
	return false;
}

enum hv_action
exit_interrupt_window(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	set_window(v, false); /* inject_pending() finds the interrupt deliverable now */
	return HV_RESUME;
}

enum hv_action
inject_fault(struct vcpu *v, const struct gmem_fault *f, uint32_t access)
{
	switch (f->kind) {
	case GMEM_PF:
		inject_page_fault(v, f->gva, f->error);
		return HV_RESUME;
	case GMEM_GP:
		inject_exception_error(v, X86_GP, 0);
		return HV_RESUME;
	case GMEM_NO_RAM:
		break;
	}
	return vcpu_no_memory(v, f->gpa, access, f->table ? VM_MEM_TABLES : VM_MEM_INSN);
}

enum hv_action
exit_inject_gp(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	inject_exception_error(v, X86_GP, 0);
	return HV_RESUME;
}
