#include "vmm/vmm.h"

#include "inc/x86.h"
#include "lib/string.h"

/*
 * The instruction at RIP, for exits whose hardware does not describe it.  Where it was decoded
 * before, that is used again: not because RIP is the same, but because the bytes are, which are
 * read anew each time.  So code may change itself, and pages may be mapped elsewhere.
 */

/* Of an entry that is not to be found again. */
enum { NO_MODE = UINT8_MAX };

void
fetch_init(struct vcpu *v)
{
	for (unsigned int i = 0; i < HV_INSNS; i++)
		v->insns[i].mode = NO_MODE;
}

/* Up to VM_INSN_MAX bytes: those in the page, and those in the next one if it can be executed. */
static bool
read_bytes(struct vcpu *v, struct hv_insn *i, uint64_t gva, uint64_t cr3)
{
	uint64_t in_page = PAGE_SIZE - gva % PAGE_SIZE;
	const uint8_t *code = gmem_code(v, gva, cr3);

	if (!code)
		return false;
	i->count = in_page < VM_INSN_MAX ? (uint8_t)in_page : VM_INSN_MAX;
	memcpy(i->bytes, code, i->count);
	if (i->count == VM_INSN_MAX)
		return true;
	code = gmem_code(v, gva + i->count, cr3);
	if (code) {
		memcpy(i->bytes + i->count, code, VM_INSN_MAX - i->count);
		i->count = VM_INSN_MAX;
	}
	return true;
}

/* Into the cache only where all bytes lie in one page: the others are few. */
static __attribute__((noinline)) const struct hv_insn *
decode(struct vcpu *v, struct hv_insn *i, uint64_t gva, struct hv_code code)
{
	bool whole = PAGE_SIZE - gva % PAGE_SIZE >= sizeof(i->bytes);

	i->mode = code.mode;
	if (!read_bytes(v, i, gva, code.cr3) ||
	    insn_decode(&i->insn, i->bytes, i->count, code.mode) < 0) {
		i->mode = NO_MODE;
		return NULL;
	}
	i->on_memory = insn_mem(&i->insn, &i->mem) == 0;
	if (whole)
		i->bytes[VM_INSN_MAX] = v->code.bytes[gva % PAGE_SIZE + VM_INSN_MAX];
	else
		i->mode = NO_MODE;
	return i;
}

const struct hv_insn *
fetch_insn(struct vcpu *v, uint64_t rip)
{
	struct hv_code code = hv->get_code(v);
	uint64_t gva = code.mode == INSN_64 ? rip : (uint32_t)(vcpu_cs_base(v) + rip);
	struct hv_insn *i = &v->insns[gva % HV_INSNS];
	const code_word_t *words;

	if (PAGE_SIZE - gva % PAGE_SIZE < sizeof(i->bytes) || i->mode != code.mode)
		return decode(v, i, gva, code);
	words = (const code_word_t *)gmem_code(v, gva, code.cr3);
	if (!words || words[0] != i->words[0] || words[1] != i->words[1])
		return decode(v, i, gva, code);
	return i;
}
