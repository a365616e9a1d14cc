#include "vmm/svm/quirks.h"

#include "inc/x86.h"
#include "lib/string.h"

/*
 * Breaks of a VMCB, for `vm --break`: each changes one field so that every processor has to refuse
 * the VMRUN.
 */

enum { RESERVED_TYPE = 1 << 8, ATTRIB_L = 0x200, ATTRIB_DB = 0x400 };
#define TOO_WIDE (1ull << 52) /* no processor has wider physical addresses */
#define ALL      (~0ull)
#define EVENT(x) (HV_EVENT_VALID | (x))

#define CHANGE(field, member, clear, set)                              \
	{                                                              \
		field, __builtin_offsetof(struct vmcb, member),        \
		        sizeof(((struct vmcb *)0)->member), clear, set \
	}

#define BREAK(name, field, member, clear, set) {name, CHANGE(field, member, clear, set), {0}},

static const struct hv_break breaks[] = {
#include "vmm/svm/breaks.def"
};

static uint64_t
field_read(struct vcpu *v, const struct hv_change *c)
{
	uint64_t value = 0;

	memcpy(&value, (char *)svm_vmcb(v) + c->where, c->size);
	return value;
}

static void
field_write(struct vcpu *v, const struct hv_change *c, uint64_t value)
{
	memcpy((char *)svm_vmcb(v) + c->where, &value, c->size);
}

static uint64_t
block_pa(const struct vcpu *v)
{
	return ((const struct svm_vcpu *)v->backend)->vmcb_pa;
}

const struct hv_debug svm_debug = {
        .explain = svm_explain,
        .check = svm_check,
        .keep = quirk_keep_vmcb,
        .breaks = breaks,
        .break_count = ARRAY_SIZE(breaks),
        .field_read = field_read,
        .field_write = field_write,
        .dump = svm_dump,
        .block_pa = block_pa,
        .load_text = "nothing: VMRUN will be given this VMCB",
        .put_text = "nothing: the VMCB is in memory",
};
