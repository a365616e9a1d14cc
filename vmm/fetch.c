#include "vmm/fetch.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/regs.h"

/*
 * Reads and decodes the instruction at RIP, for exits that the hardware does not describe in full.
 * fetch.h has the short path, to instructions that were decoded before.
 */

/* The mode of an instruction that fetch_known() must not find. */
enum { NO_MODE = UINT8_MAX };

void
fetch_init(struct vcpu *v)
{
	gmem_forget_code(v);
	for (unsigned int i = 0; i < HV_INSNS; i++)
		v->fetch.insns[i].mode = NO_MODE;
}

/* Reads the rest of VM_INSN_MAX bytes from the next page.  Returns false if the guest must not
 * execute there, or has no RAM there. */
static bool
read_on(struct vcpu *v, struct hv_insn *i, uint64_t gva)
{
	struct gmem_fault f;
	uint64_t gpa;

	if (gmem_translate(v, gva + i->count, VM_ACCESS_EXEC, &gpa, &f) < 0 ||
	    gphys_read(v->vm, gpa, i->bytes + i->count, VM_INSN_MAX - i->count) < 0)
		return false;
	i->count = VM_INSN_MAX;
	return true;
}

/*
 * Reads and decodes the instruction at gva.  Looks at the next page only if the instruction goes on
 * there.  An instruction near the end of a page is not kept for fetch_known(): such are rare.
 */
static SLOW_PATH const struct hv_insn *
fetch_anew(struct vcpu *v, uint64_t gva, struct hv_code code)
{
	struct hv_insn *i = &v->fetch.insns[gva % HV_INSNS];
	const uint8_t *bytes = gmem_code(v, gva, code.cr3);
	uint64_t in_page = PAGE_SIZE - gva % PAGE_SIZE;
	bool whole = in_page >= sizeof(i->bytes);
	int err;

	i->mode = NO_MODE;
	if (!bytes)
		return NULL;
	memcpy(i->bytes, bytes, whole ? sizeof(i->bytes) : in_page);
	i->count = in_page < VM_INSN_MAX ? (uint8_t)in_page : VM_INSN_MAX;
	err = insn_decode(&i->insn, i->bytes, i->count, code.mode);
	if (err == -E_AGAIN && i->count < VM_INSN_MAX && read_on(v, i, gva))
		err = insn_decode(&i->insn, i->bytes, i->count, code.mode);
	if (err < 0)
		return NULL;
	i->on_memory = insn_mem(&i->insn, &i->mem) == 0;
	i->is_sys = insn_sys(&i->insn, &i->sys) == 0;
	if (whole)
		i->mode = code.mode;
	return i;
}

const struct hv_insn *
fetch_at(struct vcpu *v, uint64_t gva, struct hv_code code)
{
	const struct hv_insn *known = fetch_known(v, gva, code);

	return known ? known : fetch_anew(v, gva, code);
}

const struct hv_insn *
fetch_insn(struct vcpu *v, uint64_t rip)
{
	struct hv_code code = hv->get_code(v);

	return fetch_at(v, code.mode == INSN_64 ? rip : (uint32_t)(vcpu_cs_base(v) + rip), code);
}
