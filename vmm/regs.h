#ifndef NESTLING_VMM_REGS_H
#define NESTLING_VMM_REGS_H

#include "vmm/vmm.h"

/* Registers of a vCPU, as exit handlers ask for them (vmm/regs.c). */

unsigned int vcpu_cpl(struct vcpu *v); /* 0 to 3; SS.DPL holds it in every mode */
bool vcpu_in_64bit(struct vcpu *v);
void vcpu_set_gpr(struct vcpu *v, unsigned int reg, uint64_t value);
/* RIP behind an instruction of that length. */
static inline uint64_t
vcpu_rip_after(struct vcpu *v, uint64_t rip, uint32_t len)
{
	uint64_t next = rip + len;

	/* Outside 64-bit mode EIP wraps. */
	return next >> 32 == rip >> 32 || vcpu_in_64bit(v) ? next : (uint32_t)next;
}
uint64_t vcpu_cs_base(struct vcpu *v);
/* Segments' bases that insn's addresses may need, by enum vm_seg. */
void vcpu_bases(struct vcpu *v, const struct insn *insn, uint64_t *base);
/* Registers for the addresses of the last exit's instruction.  v->guest.gpr[REG_RSP] must be right.
 */
static inline void
vcpu_insn_regs(struct vcpu *v, const struct insn *insn, struct insn_regs *regs)
{
	regs->gpr = v->guest.gpr;
	regs->rip = v->acct.exit->rip;
	if (insn->mode != INSN_64 || insn->segment != SEG_COUNT)
		vcpu_bases(v, insn, regs->base);
}

#endif
