#include "vmm/vmx/vmx.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/assert.h"
#include "vmm/shadow/shadow.h"

/* Guest registers in the VMCS. */

/* Registers that are a field of the VMCS and nothing else. */
static const uint16_t plain[HV_PLAIN_REGS] = {
        [HV_RIP] = VMCS_GUEST_RIP,         [HV_RSP] = VMCS_GUEST_RSP,
        [HV_RFLAGS] = VMCS_GUEST_RFLAGS,   [HV_DR7] = VMCS_GUEST_DR7,
        [HV_TSC_OFFSET] = VMCS_TSC_OFFSET,
};

static SLOW_PATH uint64_t
get_other(struct vcpu *v, enum hv_reg r)
{
	struct vmx_vcpu *x = v->backend;

	if (v->shadow && hv_is_paging_reg(r))
		return shadow_get_reg(v, r);
	switch (r) {
	case HV_CR0:
		return (vmcs_read(v, VMCS_GUEST_CR0) & VMX_CR0_GUEST_OWNED) |
		       (x->cr0_shadow & ~(uint64_t)VMX_CR0_GUEST_OWNED);
	case HV_CR3:
		return vmcs_read(v, VMCS_GUEST_CR3);
	case HV_CR4:
		return vmcs_read(v, VMCS_GUEST_CR4) & cr4_allowed();
	case HV_EFER:
		return vmcs_read(v, VMCS_GUEST_EFER);
	case HV_PAT:
		return vmcs_field_in_use(VMCS_GUEST_PAT) ? vmcs_read(v, VMCS_GUEST_PAT) : x->pat;
	case HV_BLOCKING:
		return vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_STI_OR_SS;
	default:
		panic("vmx_get_reg: no register %d", r);
	}
}

uint64_t
vmx_get_reg(struct vcpu *v, enum hv_reg r)
{
	return r < HV_PLAIN_REGS ? vmcs_read(v, plain[r]) : get_other(v, r);
}

static void
set_pat(struct vcpu *v, uint64_t value)
{
	struct vmx_vcpu *x = v->backend;

	x->pat = value;
	vmcs_write_in_use(v, VMCS_GUEST_PAT, value);
}

static void
set_blocking(struct vcpu *v, bool on)
{
	uint64_t state = vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY) & ~(uint64_t)BLOCKED_STI_OR_SS;

	vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY, state | (on ? BLOCKED_STI : 0));
}

static SLOW_PATH void
set_other(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	if (v->shadow && hv_is_paging_reg(r)) {
		shadow_set_reg(v, r, value);
		vmx_shadow_load(v);
		return;
	}
	switch (r) {
	case HV_CR0:
	case HV_CR3:
	case HV_CR4:
		vmx_set_cr(v, r, value);
		break;
	case HV_EFER:
		vmx_load_efer(v, value);
		break;
	case HV_PAT:
		set_pat(v, value);
		break;
	case HV_BLOCKING:
		set_blocking(v, value);
		break;
	default:
		panic("vmx_set_reg: no register %d", r);
	}
}

void
vmx_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	if (r < HV_PLAIN_REGS)
		vmcs_write(v, plain[r], value);
	else
		set_other(v, r, value);
}

void
vmx_get_segment(struct vcpu *v, enum vm_seg s, struct vm_segment *out)
{
	unsigned int step = VMCS_SEGMENT_STEP * s;

	out->sel = (uint16_t)vmcs_read(v, VMCS_GUEST_ES_SELECTOR + step);
	out->base = vmcs_read(v, VMCS_GUEST_ES_BASE + step);
	out->limit = (uint32_t)vmcs_read(v, VMCS_GUEST_ES_LIMIT + step);
	out->ar = (uint32_t)vmcs_read(v, VMCS_GUEST_ES_AR + step);
}

static void
set_segment(struct vcpu *v, enum vm_seg s, const struct vm_segment *in)
{
	unsigned int step = VMCS_SEGMENT_STEP * s;

	vmcs_write(v, VMCS_GUEST_ES_SELECTOR + step, in->sel);
	vmcs_write(v, VMCS_GUEST_ES_BASE + step, in->base);
	vmcs_write(v, VMCS_GUEST_ES_LIMIT + step, in->limit);
	vmcs_write(v, VMCS_GUEST_ES_AR + step, in->ar);
}

void
vmx_get_regs(struct vcpu *v, struct vm_regs *r)
{
	r->gpr[REG_RSP] = vmcs_read(v, VMCS_GUEST_RSP);
	r->rip = vmcs_read(v, VMCS_GUEST_RIP);
	r->rflags = vmcs_read(v, VMCS_GUEST_RFLAGS);
	r->cr0 = vmx_get_reg(v, HV_CR0);
	r->cr3 = vmx_get_reg(v, HV_CR3);
	r->cr4 = vmx_get_reg(v, HV_CR4);
	r->efer = vmx_get_reg(v, HV_EFER);
	r->dr7 = vmcs_read(v, VMCS_GUEST_DR7);
	for (unsigned int s = 0; s < SEG_COUNT; s++)
		vmx_get_segment(v, s, &r->seg[s]);
	r->gdtr_base = vmcs_read(v, VMCS_GUEST_GDTR_BASE);
	r->gdtr_limit = (uint32_t)vmcs_read(v, VMCS_GUEST_GDTR_LIMIT);
	r->idtr_base = vmcs_read(v, VMCS_GUEST_IDTR_BASE);
	r->idtr_limit = (uint32_t)vmcs_read(v, VMCS_GUEST_IDTR_LIMIT);
}

int
vmx_set_regs(struct vcpu *v, const struct vm_regs *r)
{
	vmcs_write(v, VMCS_GUEST_RSP, r->gpr[REG_RSP]);
	vmcs_write(v, VMCS_GUEST_RIP, r->rip);
	vmcs_write(v, VMCS_GUEST_RFLAGS, r->rflags);
	vmx_set_reg(v, HV_EFER, r->efer);
	/* Only CR0 and CR4, which follow, tell whether CR3 leads to PDPTEs. */
	if (v->shadow)
		vmx_set_reg(v, HV_CR3, r->cr3);
	else
		vmcs_write(v, VMCS_GUEST_CR3, r->cr3);
	vmx_set_reg(v, HV_CR4, r->cr4);
	vmx_set_reg(v, HV_CR0, r->cr0);
	vmcs_write(v, VMCS_GUEST_DR7, r->dr7);
	for (unsigned int s = 0; s < SEG_COUNT; s++)
		set_segment(v, s, &r->seg[s]);
	vmcs_write(v, VMCS_GUEST_GDTR_BASE, r->gdtr_base);
	vmcs_write(v, VMCS_GUEST_GDTR_LIMIT, r->gdtr_limit);
	vmcs_write(v, VMCS_GUEST_IDTR_BASE, r->idtr_base);
	vmcs_write(v, VMCS_GUEST_IDTR_LIMIT, r->idtr_limit);
	vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY, 0);
	vmcs_write(v, VMCS_GUEST_ACTIVITY_STATE, 0);
	vmcs_write(v, VMCS_GUEST_PENDING_DEBUG, 0);
	vmcs_write(v, VMCS_ENTRY_INTR_INFO, 0);
	return 0;
}

/* CS.L has a meaning in IA-32e mode only; CS.D/B has none in real and in virtual-8086 mode. */
static enum insn_mode
code_mode(struct vcpu *v)
{
	const struct vmx_vcpu *x = v->backend;
	uint64_t ar = vmcs_read(v, VMCS_GUEST_CS_AR);

	if ((x->entry_controls & ENTRY_IA32E_MODE_GUEST) && (ar & SEG_AR_L))
		return INSN_64;
	return (ar & SEG_AR_DB) && (x->cr0_shadow & CR0_PE) &&
	                       !(vmcs_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_VM)
	               ? INSN_32
	               : INSN_16;
}

struct hv_code
vmx_get_code(struct vcpu *v)
{
	v->guest.gpr[REG_RSP] = vmcs_read(v, VMCS_GUEST_RSP);
	return (struct hv_code){.cr3 = vmcs_read(v, VMCS_GUEST_CR3), .mode = code_mode(v)};
}
