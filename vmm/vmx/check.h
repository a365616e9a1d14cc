#ifndef NESTLING_VMM_VMX_CHECK_H
#define NESTLING_VMM_VMX_CHECK_H

#include "vmm/vmx/vmx.h"

/* What the files of the checker of VM-entry rules share. */

/* Sections of SDM vol. 3, chapter "VM Entries", whose rules are in our tables. */
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

/* A snapshot of what many rules need. */
struct check {
	struct vcpu *v;
	struct findings *out;
	const char *title;                    /* of the section that is being checked */
	uint64_t pin, cpu, cpu2, exit, entry; /* the control words */
	uint64_t cr0, cr4, rflags, debugctl;
	uint64_t blocking, activity;                   /* blocking: BLOCKED_ */
	uint64_t exit_stores, exit_loads, entry_loads; /* MSRs in each area */
	uint64_t intr;                                 /* ENTRY_INTR_INFO, and its parts: */
	bool injecting;
	uint32_t type, vector;
	bool unrestricted, v8086;
	bool ia32e;  /* "IA-32e mode guest" */
	bool code64; /* and CS.L */
	bool pae;    /* PAE paging, with the PDPTEs in the VMCS */
	uint32_t cs_rpl, cs_type, ss_dpl;
	/* What this CPU reports */
	unsigned int physical_bits, linear_bits;
	uint64_t cr0_fixed0, cr0_fixed1, cr4_fixed0, cr4_fixed1;
	uint64_t cr3_targets;
	bool length_0; /* a software event may be injected with an instruction length of 0 */
};

#define CHECK_MANUAL "SDM vol. 3"

/* Adds a broken rule of this section to c->out. */
static inline void
check_report(const struct check *c, const char *field, uint64_t value, const char *must)
{
	findings_add(c->out, field, value, must, CHECK_MANUAL, c->title);
}

/* segments.c: checks the rules of segrules.def. */
void check_segments(const struct check *c);

/* Are all bits beyond the processor's linear-address width alike? */
static inline bool
is_address(const struct check *c, uint64_t value)
{
	uint64_t beyond = value >> c->linear_bits;

	return !beyond || beyond == UINT64_MAX >> c->linear_bits;
}

/* The same, and alike with the highest bit within the width? */
static inline bool
is_canonical(const struct check *c, uint64_t address)
{
	unsigned int shift = 64 - c->linear_bits;

	return (uint64_t)((int64_t)(address << shift) >> shift) == address;
}

#endif
