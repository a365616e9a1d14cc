#ifndef NESTLING_VMM_REGS_H
#define NESTLING_VMM_REGS_H

#include "vmm/vmm.h"

/* Registers and segments of a vCPU, as exit handlers ask for them.  The vCPU is current. */

/* Returns the guest's privilege level, 0 to 3: in every mode SS.DPL holds it. */
unsigned int vcpu_cpl(struct vcpu *v);
bool vcpu_in_64bit(struct vcpu *v);
/* Writes all 64 bits of a general register; RSP also in the control block. */
void vcpu_set_gpr(struct vcpu *v, unsigned int reg, uint64_t value);
uint64_t vcpu_cs_base(struct vcpu *v); /* gva */

/* Returns the RIP that follows an instruction of len bytes at rip. */
static inline uint64_t
vcpu_rip_after(struct vcpu *v, uint64_t rip, uint32_t len)
{
	uint64_t next = rip + len;

	/* Outside 64-bit mode EIP wraps. */
	return next >> 32 == rip >> 32 || vcpu_in_64bit(v) ? next : (uint32_t)next;
}

/* Fills base[], by enum vm_seg, with the bases that the addresses of insn may need. */
void vcpu_bases(struct vcpu *v, const struct insn *insn, uint64_t *base);

/*
 * Fills in the registers that insn's addresses are computed from; insn is the instruction that
 * exited last.  v->guest.gpr[REG_RSP] must be up to date.
 */
static inline void
vcpu_insn_regs(struct vcpu *v, const struct insn *insn, struct insn_regs *regs)
{
	regs->gpr = v->guest.gpr;
	regs->rip = v->acct.exit->rip;
	if (insn->mode != INSN_64 || insn->segment != SEG_COUNT)
		vcpu_bases(v, insn, regs->base);
}

/*
 * A processor's checks of an operand's segment outside 64-bit mode, which come before paging (SDM
 * vol. 3, "Limit Checking" and "Type Checking").
 */
/* Does the segment's type permit a write, or a read?  Outside protected mode it always does. */
bool segment_permits(struct vcpu *v, const struct vm_segment *seg, bool write);
/* Is the segment usable, and are the offsets [first, first + bytes) within its limit? */
bool segment_holds(const struct vm_segment *seg, uint64_t first, uint64_t bytes);

#endif
