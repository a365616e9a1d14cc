#ifndef NESTLING_VMM_VMX_CHECK_H
#define NESTLING_VMM_VMX_CHECK_H

#include "vmm/vmx/vmx.h"

/* Between the files of the checker of VM-entry rules. */

/* The sections of SDM vol. 3, chapter "VM Entries", that have rules in our tables. */
enum section {
	EXECUTION,
	EXITS,
	ENTRIES,
	HOST_REGISTERS,
	HOST_SEGMENTS,
	ADDRESS_SPACE,
	GUEST_REGISTERS,
	GUEST_SEGMENTS,
	GUEST_TABLES,
	GUEST_RIP_RFLAGS,
	GUEST_OTHER,
	GUEST_PDPTES,
	SECTIONS,
};

/* What many rules ask for, read once. */
struct check {
	struct vcpu *v;
	struct findings *out;
	const char *title;                    /* of the section that is being checked */
	uint64_t pin, cpu, cpu2, exit, entry; /* the control words */
	uint64_t cr0, cr4, rflags, debugctl;
	uint64_t blocking, activity;                   /* blocking: BLOCKED_ */
	uint64_t exit_stores, exit_loads, entry_loads; /* MSRs in each area */
	uint64_t intr;                                 /* the event to inject, and its parts: */
	bool injecting;
	uint32_t type, vector;
	bool unrestricted, v8086;
	bool ia32e;  /* "IA-32e mode guest" */
	bool code64; /* and CS.L */
	bool pae;    /* PAE paging, with the PDPTEs in the VMCS */
	uint32_t cs_rpl, cs_type, ss_dpl;
	/* Of this CPU */
	unsigned int physical_bits, linear_bits;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint64_t cr3_targets;
	bool length_0; /* software events may be injected with length 0 */
};

#define CHECK_MANUAL "SDM vol. 3"

/* Adds a broken rule of this section to c->out. */
static inline void
check_report(const struct check *c, const char *field, uint64_t value, const char *must)
{
	findings_add(c->out, field, value, must, CHECK_MANUAL, c->title);
}

/* segments.c: "Checks on Guest Segment Registers". */
void check_segments(const struct check *c);

/* Keeps to the processor's linear-address width: the bits beyond are alike. */
static inline bool
is_address(const struct check *c, uint64_t value)
{
	uint64_t beyond = value >> c->linear_bits;

	return !beyond || beyond == UINT64_MAX >> c->linear_bits;
}

/* And they are as the highest bit of those that count. */
static inline bool
is_canonical(const struct check *c, uint64_t address)
{
	unsigned int shift = 64 - c->linear_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

#endif
