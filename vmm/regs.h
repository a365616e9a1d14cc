#ifndef NESTLING_VMM_REGS_H
#define NESTLING_VMM_REGS_H

#include "vmm/vmm.h"

/* Registers of a vCPU, as exit handlers ask for them (vmm/regs.c).  v is current on this CPU. */

/* Returns the privilege level, 0 to 3.  SS.DPL holds it in every mode (SDM vol. 3, "Guest Register
 * State"). */
unsigned int vcpu_cpl(struct vcpu *v);
bool vcpu_in_64bit(struct vcpu *v);
/* Writes a general register, all 64 bits; RSP in the control block, too. */
void vcpu_set_gpr(struct vcpu *v, unsigned int reg, uint64_t value);
/* Returns the RIP that follows an instruction of len bytes at rip. */
static inline uint64_t
vcpu_rip_after(struct vcpu *v, uint64_t rip, uint32_t len)
{
	uint64_t next = rip + len;

	/* Outside 64-bit mode EIP wraps. */
	return next >> 32 == rip >> 32 || vcpu_in_64bit(v) ? next : (uint32_t)next;
}
uint64_t vcpu_cs_base(struct vcpu *v); /* gva */
/* Fills base[], by enum vm_seg, with the segment bases (gva) that insn's addresses may need. */
void vcpu_bases(struct vcpu *v, const struct insn *insn, uint64_t *base);
/* Fills in the registers that insn's addresses are computed from.  insn is the instruction that
 * exited last, and v->guest.gpr[REG_RSP] must be up to date. */
static inline void
vcpu_insn_regs(struct vcpu *v, const struct insn *insn, struct insn_regs *regs)
{
	regs->gpr = v->guest.gpr;
	regs->rip = v->acct.exit->rip;
	if (insn->mode != INSN_64 || insn->segment != SEG_COUNT)
		vcpu_bases(v, insn, regs->base);
}

#endif
