#include "vmm/vmx/vmx.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/shadow/shadow.h"

/* Guest registers in the VMCS. */

/* The guest flips these without an exit; the others go through vmm/cr.c. */
static const uint64_t cr0_guest_owned = CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM;

uint64_t
vmx_cr0_mask(void)
{
	return ~cr0_guest_owned;
}

/* The guest's view: its own bits from the register, the others from the shadow. */
static inline uint64_t
get_cr_nested(struct vcpu *v, unsigned int cr)
{
	struct vmx_vcpu *x = v->backend;

	switch (cr) {
	case 0:
		return (vmcs_read(v, VMCS_GUEST_CR0) & cr0_guest_owned) |
		       (x->cr0_shadow & ~cr0_guest_owned);
	case 3:
		return vmcs_read(v, VMCS_GUEST_CR3);
	case 4:
		return vmcs_read(v, VMCS_GUEST_CR4) & cr4_allowed();
	}
	panic("vmx_get_cr: no CR%u", cr);
}

uint64_t
vmx_get_cr(struct vcpu *v, unsigned int cr)
{
	return v->shadow ? shadow_get_cr(v, cr) : get_cr_nested(v, cr);
}

/*
 * In PAE paging the four top entries are registers (SDM vol. 3, "PDPTE Registers").  The handler
 * found them in order; if another vCPU has spoilt them since, the entry must not be refused.
 */
static void
load_pdptes(struct vcpu *v, uint64_t cr0, uint64_t cr3, uint64_t cr4)
{
	uint64_t pdpte[PDPTES];

	if (!pdptes_used(cr0, cr4, vmx_get_efer(v)))
		return;
	if (!pdptes_read(v, cr3, pdpte))
		memset(pdpte, 0, sizeof(pdpte));
	vmcs_write(v, VMCS_GUEST_PDPTE0, pdpte[0]);
	vmcs_write(v, VMCS_GUEST_PDPTE1, pdpte[1]);
	vmcs_write(v, VMCS_GUEST_PDPTE2, pdpte[2]);
	vmcs_write(v, VMCS_GUEST_PDPTE3, pdpte[3]);
}

/* NE must be 1 in VMX operation; caches stay on. */
uint64_t
vmx_cr0_hardware(uint64_t value)
{
	return (value & ~(uint64_t)(CR0_CD | CR0_NW)) | CR0_NE;
}

/* VMXE must be 1; machine checks are the host's. */
uint64_t
vmx_cr4_hardware(uint64_t value)
{
	return value | CR4_VMXE | (read_cr4() & CR4_MCE);
}

static inline void
set_cr_nested(struct vcpu *v, unsigned int cr, uint64_t value)
{
	struct vmx_vcpu *x = v->backend;
	uint64_t cr0 = cr == 0 ? value : get_cr_nested(v, 0);
	uint64_t cr3 = cr == 3 ? value : get_cr_nested(v, 3);
	uint64_t cr4 = cr == 4 ? value : get_cr_nested(v, 4);
	bool loads = cr != 0 || ((value ^ x->cr0_shadow) & CR0_LOADS_PDPTES);

	v->tlb.stale |= TLB_LINEAR;
	switch (cr) {
	case 0:
		x->cr0_shadow = value;
		vmcs_write(v, VMCS_CR0_SHADOW, value);
		vmcs_write(v, VMCS_GUEST_CR0, vmx_cr0_hardware(value));
		break;
	case 3:
		vmcs_write(v, VMCS_GUEST_CR3, value);
		break;
	case 4:
		vmcs_write(v, VMCS_CR4_SHADOW, value);
		vmcs_write(v, VMCS_GUEST_CR4, vmx_cr4_hardware(value));
		break;
	default:
		panic("vmx_set_cr: no CR%u", cr);
	}
	if (loads)
		load_pdptes(v, cr0, cr3, cr4);
	vmx_flush_vpid(v);
}

void
vmx_set_cr(struct vcpu *v, unsigned int cr, uint64_t value)
{
	if (!v->shadow) {
		set_cr_nested(v, cr, value);
		return;
	}
	shadow_set_cr(v, cr, value);
	vmx_shadow_load(v);
}

uint64_t
vmx_get_efer(struct vcpu *v)
{
	return v->shadow ? v->shadow->guest.efer : vmcs_read(v, VMCS_GUEST_EFER);
}

void
vmx_set_efer(struct vcpu *v, uint64_t value)
{
	if (!v->shadow) {
		vmx_load_efer(v, value);
		return;
	}
	shadow_set_efer(v, value);
	vmx_shadow_load(v);
}

void
vmx_load_efer(struct vcpu *v, uint64_t value)
{
	struct vmx_vcpu *x = v->backend;
	uint32_t entry = x->entry_controls & ~(uint32_t)ENTRY_IA32E_MODE_GUEST;

	if (value & EFER_LMA)
		entry |= ENTRY_IA32E_MODE_GUEST;
	if (entry != x->entry_controls) {
		x->entry_controls = entry;
		vmcs_write(v, VMCS_ENTRY_CONTROLS, entry);
	}
	if (vmx_controls.entry & ENTRY_LOAD_EFER)
		vmcs_write(v, VMCS_GUEST_EFER, value);
	else
		x->entry_efer.value = value;
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
	r->cr0 = vmx_get_cr(v, 0);
	r->cr3 = vmx_get_cr(v, 3);
	r->cr4 = vmx_get_cr(v, 4);
	r->efer = vmx_get_efer(v);
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
	vmx_set_efer(v, r->efer);
	if (v->shadow)
		vmx_set_cr(v, 3, r->cr3);
	else
		vmcs_write(v, VMCS_GUEST_CR3, r->cr3);
	vmx_set_cr(v, 4, r->cr4);
	vmx_set_cr(v, 0, r->cr0);
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

/* L counts in IA-32e mode only, D/B neither in real nor in virtual-8086 mode. */
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
