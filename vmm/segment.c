#include "vmm/vmm.h"

#include "inc/x86.h"

/*
 * The checks of an operand's segment that a processor makes outside 64-bit mode, before it
 * translates the address (SDM vol. 3, "Limit Checking" and "Type Checking").
 */

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
