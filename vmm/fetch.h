#ifndef NESTLING_VMM_FETCH_H
#define NESTLING_VMM_FETCH_H

#include "vmm/gmem.h"

/*
 * fetch.c: reads and decodes guest instructions.  A result is good until the next call for the same
 * vCPU; NULL: the code cannot be read, or is no instruction.
 */
void fetch_init(struct vcpu *v); /* forgets all instructions */
/* The instruction at rip, with the code segment, mode and page tables that the guest has now. */
const struct hv_insn *fetch_insn(struct vcpu *v, uint64_t rip);
/* The instruction at gva, in the mode and with the page tables of `code`. */
const struct hv_insn *fetch_at(struct vcpu *v, uint64_t gva, struct hv_code code);
/*
 * Like fetch_at(), but returns NULL unless the instruction was decoded before.  The gva selects the
 * slot to look in, and the bytes decide: they are compared with the guest's memory each time, so
 * the guest may change its code or map another page there.
 */
static inline const struct hv_insn *
fetch_known(const struct vcpu *v, uint64_t gva, struct hv_code code)
{
	const struct hv_insn *i = &v->fetch.insns[gva % HV_INSNS];
	const code_word_t *words;

	if (!gmem_code_kept(v, gva, code.cr3, sizeof(i->bytes)))
		return NULL;
	words = (const code_word_t *)(v->fetch.page.bytes + (gva - v->fetch.page.gva));
	return words[0] == i->words[0] && words[1] == i->words[1] && i->mode == code.mode ? i
	                                                                                  : NULL;
}

#endif
