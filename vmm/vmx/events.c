#include "vmm/vmx/vmx.h"

#include "inc/x86.h"
#include "kern/trap.h"
#include "vmm/regs.h"

/* The end of an instruction, and the events that come with an exit or go in with an entry. */

enum { PENDING_SINGLE_STEP = 1 << 14 };

/* The effects of RF and TF at the end of an instruction. */
static SLOW_PATH void
end_by_flags(struct vcpu *v, const struct hv_exit *x, uint64_t rflags)
{
	/* Length 0: an item of a string ends, the instruction goes on, and RF stays. */
	if (x->len)
		vmcs_write(v, VMCS_GUEST_RFLAGS, rflags & ~(uint64_t)RFLAGS_RF);
	if (rflags & RFLAGS_TF) {
		vcpu_drop_request(v, REQ_HALTED); /* the trap ends HLT, too */
		v->pending.dead_halt = false;
		vmcs_write(v, VMCS_GUEST_PENDING_DEBUG,
		           vmcs_read(v, VMCS_GUEST_PENDING_DEBUG) | PENDING_SINGLE_STEP);
	}
}

/* Ends an instruction with all effects.  It stands apart from vmx_skip(), whose common case then
 * needs no stack. */
static SLOW_PATH void
skip_with_effects(struct vcpu *v, const struct hv_exit *x, uint64_t blocking, uint64_t rflags)
{
	vmcs_write(v, VMCS_GUEST_RIP, vcpu_rip_after(v, x->rip, x->len));
	if (blocking & BLOCKED_STI_OR_SS)
		vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKED_STI_OR_SS);
	if (rflags & (RFLAGS_TF | RFLAGS_RF))
		end_by_flags(v, x, rflags);
}

void
vmx_skip(struct vcpu *v, const struct hv_exit *x)
{
	uint64_t blocking = vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY);
	uint64_t rflags = vmcs_read(v, VMCS_GUEST_RFLAGS);
	uint64_t next = x->rip + x->len;

	if ((blocking & BLOCKED_STI_OR_SS) || (rflags & (RFLAGS_TF | RFLAGS_RF)) ||
	    (next ^ x->rip) >> 32)
		skip_with_effects(v, x, blocking, rflags);
	else
		vmcs_write(v, VMCS_GUEST_RIP, next);
}

/*
 * The exit acknowledged the interrupt, so only its vector is left.  An NMI goes through its gate,
 * since NMIs are blocked until the next IRET (SDM vol. 3, "Updating Non-Register State").
 */
void
vmx_take_interrupt(const struct hv_exit *x)
{
	if (x->intr.nmi)
		__asm__ volatile("int %0" : : "i"(X86_NMI) : "memory");
	else
		trap_interrupt(x->intr.vector);
}

bool
vmx_irq_ready(struct vcpu *v)
{
	return (vmcs_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_STI_OR_SS);
}

void
vmx_irq_window(struct vcpu *v, bool on)
{
	struct vmx_vcpu *x = v->backend;

	x->cpu_controls &= ~(uint32_t)CPU_INTERRUPT_WINDOW_EXITING;
	if (on)
		x->cpu_controls |= CPU_INTERRUPT_WINDOW_EXITING;
	vmcs_write(v, VMCS_CPU_CONTROLS, x->cpu_controls);
}

void
vmx_inject(struct vcpu *v)
{
	vmcs_write(v, VMCS_ENTRY_INTR_INFO, v->pending.event.info);
	if (v->pending.event.info & HV_EVENT_HAS_ERROR)
		vmcs_write(v, VMCS_ENTRY_EXCEPTION_ERROR, v->pending.event.error);
	if (v->pending.event.len)
		vmcs_write(v, VMCS_ENTRY_INSTRUCTION_LENGTH, v->pending.event.len);
}
