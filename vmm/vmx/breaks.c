#include "vmm/vmx/vmx.h"

#include "inc/memlayout.h"
#include "inc/msr.h"
#include "inc/x86.h"

/*
 * Breaks of a VMCS, for `vm --break`: each changes one field so that every processor has to refuse
 * the entry.  Where the field counts only together with another field, the break sets that one too,
 * to a valid value.  A processor refuses a bad host field before it loads any host state.
 */

enum { RESERVED_TYPE = 1 << 8 };
#define NONCANONICAL (1ull << 63) /* if bits 62 to 47 are clear */
#define TOO_WIDE     (1ull << 52) /* no processor has wider physical addresses */
#define ALL          (~0ull)
#define EVENT(x)     (HV_EVENT_VALID | (x))

/* A list of one MSR that an entry must not load (SDM vol. 3, "Loading MSRs"). */
static const struct {
	uint32_t index, reserved;
	uint64_t value;
} bad_msr __attribute__((aligned(16))) = {.index = MSR_FS_BASE};

#define CHANGE(name, bits_off, bits_on)                                                 \
	{                                                                               \
		.where = VMCS_##name, .clear = bits_off, .set = bits_on, .field = #name \
	}
#define BREAK(name, field, clear, set)              {name, CHANGE(field, clear, set), {0}},
#define BREAK_WITH(name, field, clear, set, enable) {name, CHANGE(field, clear, set), enable},

static const struct hv_break breaks[] = {
#include "vmm/vmx/breaks.def"
};

static uint64_t
field_read(struct vcpu *v, const struct hv_change *c)
{
	return vmcs_read(v, c->where);
}

static void
field_write(struct vcpu *v, const struct hv_change *c, uint64_t value)
{
	vmcs_write(v, c->where, value);
}

const struct hv_debug vmx_debug = {
        .explain = vmx_explain,
        .check = vmx_check,
        .breaks = breaks,
        .break_count = ARRAY_SIZE(breaks),
        .field_read = field_read,
        .field_write = field_write,
        .dump = vmcs_dump,
        .block_pa = vmcs_block_pa,
        .load_text = "VMPTRLD, and host fields of the VMCS",
        .put_text = "VMCLEAR",
};
