#include "vmm/regs.h"

#include "inc/x86.h"

/* Registers and segments of a virtual CPU, as exit handlers ask for them. */

unsigned int
vcpu_cpl(struct vcpu *v)
{
	struct vm_segment ss;

	hv->get_segment(v, SEG_SS, &ss);
	return BITS(ss.ar, 6, 5);
}

bool
vcpu_in_64bit(struct vcpu *v)
{
	struct vm_segment cs;

	if (!(hv->get_reg(v, HV_EFER) & EFER_LMA))
		return false;
	hv->get_segment(v, SEG_CS, &cs);
	return cs.ar & SEG_AR_L;
}

void
vcpu_set_gpr(struct vcpu *v, unsigned int reg, uint64_t value)
{
	v->guest.gpr[reg] = value;
	if (reg == REG_RSP)
		hv->set_reg(v, HV_RSP, value);
}

uint64_t
vcpu_cs_base(struct vcpu *v)
{
	struct vm_segment cs;

	hv->get_segment(v, SEG_CS, &cs);
	return cs.base;
}

void
vcpu_bases(struct vcpu *v, const struct insn *insn, uint64_t *base)
{
	bool all = insn->mode != INSN_64;
	struct vm_segment segment;

	for (unsigned int s = all ? SEG_ES : insn->segment; s <= SEG_GS; s++) {
		hv->get_segment(v, s, &segment);
		base[s] = segment.base;
	}
}

bool
segment_permits(struct vcpu *v, const struct vm_segment *seg, bool write)
{
	if (!(hv->get_reg(v, HV_CR0) & CR0_PE) || (hv->get_reg(v, HV_RFLAGS) & RFLAGS_VM))
		return true;
	if (write)
		return (seg->ar & (SEG_AR_CODE | SEG_AR_RW)) == SEG_AR_RW;
	return !(seg->ar & SEG_AR_CODE) || (seg->ar & SEG_AR_RW);
}

bool
segment_holds(const struct vm_segment *seg, uint64_t first, uint64_t bytes)
{
	uint64_t top = seg->ar & SEG_AR_DB ? UINT32_MAX : UINT16_MAX;

	if (seg->ar & SEG_AR_UNUSABLE)
		return false;
	if ((seg->ar & (SEG_AR_CODE | SEG_AR_DOWN)) == SEG_AR_DOWN)
		return first > seg->limit && first + bytes - 1 <= top;
	return first + bytes - 1 <= seg->limit;
}
