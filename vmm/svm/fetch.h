#ifndef NESTLING_VMM_SVM_FETCH_H
#define NESTLING_VMM_SVM_FETCH_H

#include "vmm/svm/svm.h"

/*
 * The instruction at the guest's RIP.  Exits come from the same code again and again, so the way
 * to it and what it was are remembered, and its bytes compared each time.
 */

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

/*
 * The kernel's address of the code at gva, if it is in the page of the last time with a word or
 * more to go; or NULL.  A guest that maps other code there without a new CR3 is not noticed: see
 * docs/TRICKS.md.
 */
static inline const uint8_t *
svm_code_nearby(const struct vcpu *v, uint64_t gva)
{
	const struct svm_vcpu *s = v->backend;
	uint64_t offset = gva - s->code.gva;

	return offset <= PAGE_SIZE - sizeof(code_word_t) && s->code.cr3 == s->vmcb->cr3 &&
	                       s->code.tlb_gen == v->vm->tlb_gen
	               ? s->code.page + offset
	               : NULL;
}

static inline struct svm_insn *
svm_insn_slot(struct vcpu *v, uint64_t gva)
{
	struct svm_vcpu *s = v->backend;

	return &s->insns[gva % SVM_INSNS];
}

/* svm_fetch() of what is not remembered. */
const struct svm_insn *svm_fetch_anew(struct vcpu *v, uint64_t gva, enum insn_mode mode);

/* The instruction at RIP, until the next call; NULL: it cannot be read, or is none. */
static inline const struct svm_insn *
svm_fetch(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);
	enum insn_mode mode = svm_guest_mode(b);
	uint64_t gva = mode == INSN_64 ? b->rip : b->cs.base + b->rip;
	const struct svm_insn *slot = svm_insn_slot(v, gva);
	const uint8_t *code = svm_code_nearby(v, gva);

	if (code && (*(const code_word_t *)code & slot->mask) == slot->bytes &&
	    slot->insn.mode == mode)
		return slot;
	return svm_fetch_anew(v, gva, mode);
}

#endif
