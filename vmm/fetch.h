#ifndef NESTLING_VMM_FETCH_H
#define NESTLING_VMM_FETCH_H

#include "vmm/gmem.h"

/* fetch.c: instructions, until the next call; NULL if one cannot be read or is none. */
void fetch_init(struct vcpu *v); /* nothing is remembered */
const struct hv_insn *fetch_insn(struct vcpu *v, uint64_t rip);
const struct hv_insn *fetch_at(struct vcpu *v, uint64_t gva, struct hv_code code);
/*
 * fetch_at() of one that was decoded before, or NULL.  It is not because the address is the same,
 * but because the bytes are, which are read anew each time.  So code may change itself, and pages
 * may be mapped elsewhere.
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
