#include "vmm/svm/svm.h"

#include "inc/x86.h"

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

const struct hv_break svm_breaks[] = {
#include "vmm/svm/breaks.def"
};

const unsigned int svm_break_count = ARRAY_SIZE(svm_breaks);
