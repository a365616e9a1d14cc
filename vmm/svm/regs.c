#include "vmm/svm/fetch.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/assert.h"
#include "vmm/shadow/shadow.h"

/* Guest registers in the VMCB. */

struct hv_code
svm_get_code(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);

	v->guest.gpr[REG_RSP] = b->rsp;
	return (struct hv_code){.cr3 = b->cr3, .mode = svm_guest_mode(b)};
}

#define OFFSET(field) __builtin_offsetof(struct vmcb, field)

/* Registers that are a field of the VMCB and nothing else. */
static const uint16_t plain[HV_PLAIN_REGS] = {
        [HV_RIP] = OFFSET(rip),
        [HV_RSP] = OFFSET(rsp),
        [HV_RFLAGS] = OFFSET(rflags),
        [HV_DR7] = OFFSET(dr7),
        [HV_TSC_OFFSET] = OFFSET(tsc_offset),
};

static uint64_t *
plain_field(struct vcpu *v, enum hv_reg r)
{
	return (uint64_t *)((char *)svm_vmcb(v) + plain[r]);
}

static SLOW_PATH uint64_t
get_other(struct vcpu *v, enum hv_reg r)
{
	const struct vmcb *b = svm_vmcb(v);

	if (v->shadow && hv_is_paging_reg(r))
		return shadow_get_reg(v, r);
	switch (r) {
	case HV_CR0:
		return b->cr0;
	case HV_CR3:
		return b->cr3;
	case HV_CR4:
		return b->cr4 & cr4_allowed();
	case HV_EFER:
		/* VMRUN needs SVME in the guest's EFER, and the guest must not see it. */
		return b->efer & ~(uint64_t)EFER_SVME;
	case HV_PAT:
		return b->pat;
	case HV_BLOCKING:
		return b->interrupt_shadow & 1;
	default:
		panic("svm_get_reg: no register %d", r);
	}
}

uint64_t
svm_get_reg(struct vcpu *v, enum hv_reg r)
{
	return r < HV_PLAIN_REGS ? *plain_field(v, r) : get_other(v, r);
}

static SLOW_PATH void
set_other(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	struct vmcb *b = svm_vmcb(v);

	if (v->shadow && hv_is_paging_reg(r)) {
		shadow_set_reg(v, r, value);
		svm_shadow_load(v);
		return;
	}
	switch (r) {
	case HV_CR0:
	case HV_CR3:
	case HV_CR4:
		svm_set_cr(v, r, value);
		break;
	case HV_EFER:
		b->efer = value | EFER_SVME;
		break;
	case HV_PAT:
		b->pat = value;
		break;
	case HV_BLOCKING:
		b->interrupt_shadow = value;
		break;
	default:
		panic("svm_set_reg: no register %d", r);
	}
}

void
svm_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	if (r < HV_PLAIN_REGS)
		*plain_field(v, r) = value;
	else
		set_other(v, r, value);
}

static struct vmcb_segment *
segment(struct vmcb *b, enum vm_seg s)
{
	struct vmcb_segment *const segments[SEG_COUNT] = {
	        [SEG_ES] = &b->es, [SEG_CS] = &b->cs, [SEG_SS] = &b->ss,     [SEG_DS] = &b->ds,
	        [SEG_FS] = &b->fs, [SEG_GS] = &b->gs, [SEG_LDTR] = &b->ldtr, [SEG_TR] = &b->tr,
	};

	return segments[s];
}

/* The VMCB has the upper four attributes of a segment in bits 11:8; struct vm_segment, like VMX,
 * has them in bits 15:12. */
enum { ATTRIB_P = 0x80, AR_DPL = 0x60, AR_DPL_SHIFT = 5 };

void
svm_get_segment(struct vcpu *v, enum vm_seg s, struct vm_segment *out)
{
	struct vmcb *b = svm_vmcb(v);
	const struct vmcb_segment *in = segment(b, s);

	out->sel = in->sel;
	out->base = in->base;
	out->limit = in->limit;
	out->ar = (in->attrib & 0xffu) | (in->attrib & 0xf00u) << 4;
	/* The VMCB has a field for the privilege level, from which SS.DPL may differ. */
	if (s == SEG_SS)
		out->ar = (out->ar & ~(uint32_t)AR_DPL) | (uint32_t)b->cpl << AR_DPL_SHIFT;
	if (!(in->attrib & ATTRIB_P))
		out->ar |= SEG_AR_UNUSABLE;
}

static void
set_segment(struct vcpu *v, enum vm_seg s, const struct vm_segment *in)
{
	struct vmcb *b = svm_vmcb(v);
	struct vmcb_segment *out = segment(b, s);

	out->sel = in->sel;
	out->base = in->base;
	out->limit = in->limit;
	out->attrib = in->ar & SEG_AR_UNUSABLE ? 0 : (in->ar & 0xff) | (in->ar >> 4 & 0xf00);
	if (s == SEG_SS)
		b->cpl = (in->ar & AR_DPL) >> AR_DPL_SHIFT;
}

void
svm_get_regs(struct vcpu *v, struct vm_regs *r)
{
	const struct vmcb *b = svm_vmcb(v);

	r->gpr[REG_RSP] = b->rsp;
	r->rip = b->rip;
	r->rflags = b->rflags;
	r->cr0 = svm_get_reg(v, HV_CR0);
	r->cr3 = svm_get_reg(v, HV_CR3);
	r->cr4 = svm_get_reg(v, HV_CR4);
	r->efer = svm_get_reg(v, HV_EFER);
	r->dr7 = b->dr7;
	for (unsigned int s = 0; s < SEG_COUNT; s++)
		svm_get_segment(v, s, &r->seg[s]);
	r->gdtr_base = b->gdtr.base;
	r->gdtr_limit = b->gdtr.limit;
	r->idtr_base = b->idtr.base;
	r->idtr_limit = b->idtr.limit;
}

int
svm_set_regs(struct vcpu *v, const struct vm_regs *r)
{
	struct vmcb *b = svm_vmcb(v);

	b->rsp = r->gpr[REG_RSP];
	b->rip = r->rip;
	b->rflags = r->rflags | RFLAGS_FIXED;
	svm_set_reg(v, HV_EFER, r->efer);
	svm_set_reg(v, HV_CR3, r->cr3);
	svm_set_reg(v, HV_CR4, r->cr4);
	svm_set_reg(v, HV_CR0, r->cr0);
	b->dr7 = r->dr7;
	b->dr6 = DR6_FIXED;
	for (unsigned int s = 0; s < SEG_COUNT; s++)
		set_segment(v, s, &r->seg[s]);
	b->gdtr = (struct vmcb_segment){.base = r->gdtr_base, .limit = r->gdtr_limit};
	b->idtr = (struct vmcb_segment){.base = r->idtr_base, .limit = r->idtr_limit};
	b->interrupt_shadow = 0;
	b->event_inject = 0;
	return 0;
}
