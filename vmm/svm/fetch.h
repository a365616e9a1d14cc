#ifndef NESTLING_VMM_SVM_FETCH_H
#define NESTLING_VMM_SVM_FETCH_H

#include "vmm/fetch.h"
#include "vmm/svm/svm.h"

/* The instruction at the guest's RIP, from vmm/fetch.c; without a call if it was decoded before. */

static inline enum insn_mode
svm_guest_mode(const struct vmcb *b)
{
	enum { ATTRIB_L = 0x200, ATTRIB_DB = 0x400 };

	if ((b->efer & EFER_LMA) && (b->cs.attrib & ATTRIB_L))
		return INSN_64;
	return (b->cr0 & CR0_PE) && !(b->rflags & RFLAGS_VM) && (b->cs.attrib & ATTRIB_DB)
	               ? INSN_32
	               : INSN_16;
}

static inline uint64_t
svm_code_gva(const struct vmcb *b, enum insn_mode mode)
{
	return mode == INSN_64 ? b->rip : (uint32_t)(b->cs.base + b->rip);
}

/* Returns the instruction at RIP, which stays valid until the next call.  NULL: it cannot be read,
 * or is not an instruction. */
static inline const struct hv_insn *
svm_fetch(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);
	struct hv_code code = {.cr3 = b->cr3, .mode = svm_guest_mode(b)};

	return fetch_at(v, svm_code_gva(b, code.mode), code);
}

/* Returns the instruction at RIP if it was decoded before, else NULL. */
static inline const struct hv_insn *
svm_fetch_known(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);
	struct hv_code code = {.cr3 = b->cr3, .mode = svm_guest_mode(b)};

	return fetch_known(v, svm_code_gva(b, code.mode), code);
}

#endif
