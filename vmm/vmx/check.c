#include "vmm/vmx/check.h"

#include "inc/cpuid.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/printf.h"

/*
 * Checks the VMCS by the manual's rules for a VM entry, to say why the processor refused one.  The
 * checker knows only the VMCS and the processor.  In a VMCS that can be entered it finds no broken
 * rule.  SDM vol. 3, chapter "VM Entries".
 */

static const char *const titles[SECTIONS] = {
        [EXECUTION] = "Checks on VMX Controls: VM-Execution Control Fields",
        [EXITS] = "Checks on VMX Controls: VM-Exit Control Fields",
        [ENTRIES] = "Checks on VMX Controls: VM-Entry Control Fields",
        [HOST_REGISTERS] = "Checks on Host Control Registers, MSRs, and SSP",
        [HOST_SEGMENTS] = "Checks on Host Segment and Descriptor-Table Registers",
        [ADDRESS_SPACE] = "Checks Related to Address-Space Size",
        [GUEST_REGISTERS] = "Checks on Guest Control Registers, Debug Registers, and MSRs",
        [GUEST_SEGMENTS] = "Checks on Guest Segment Registers",
        [GUEST_TABLES] = "Checks on Guest Descriptor-Table Registers",
        [GUEST_RIP_RFLAGS] = "Checks on Guest RIP, RFLAGS, and SSP",
        [GUEST_OTHER] = "Checks on Guest Non-Register State",
        [GUEST_PDPTES] = "Checks on Guest Page-Directory-Pointer-Table Entries",
};

enum {
	EVENT_OTHER = 7 << 8,
	EVENT_RESERVED = 1 << 8,
};
enum { ACTIVITY_ACTIVE, ACTIVITY_HLT, ACTIVITY_SHUTDOWN, ACTIVITY_WAIT_FOR_SIPI };
enum { PENDING_BS = 1 << 14, DEBUGCTL_BTF = 1 << 1, SEGMENT_AR_TYPE = 15 };
static const uint64_t EFER_DEFINED = EFER_SCE | EFER_LME | EFER_LMA | EFER_NXE;

static bool
in_width(const struct check *c, uint64_t pa)
{
	return !(pa >> c->physical_bits);
}

static bool
is_frame(const struct check *c, uint64_t pa)
{
	return pa % PAGE_SIZE == 0 && in_width(c, pa);
}

/* Is pa a valid address for a list of `count` MSRs of 16 bytes? */
static bool
is_msr_area(const struct check *c, uint64_t pa, uint64_t count)
{
	return pa % 16 == 0 && in_width(c, pa) && in_width(c, pa + count * 16 - 1);
}

static bool
is_ept_type(uint64_t eptp)
{
	uint64_t needed = BITS(eptp, 2, 0) == 6   ? EPTVPID_MEMTYPE_WB
	                  : BITS(eptp, 2, 0) == 0 ? EPTVPID_MEMTYPE_UC
	                                          : 0;

	return vmx_controls.ept_vpid_cap & needed;
}

static bool
is_ept_walk(uint64_t eptp)
{
	return BITS(eptp, 5, 3) == 3 && (vmx_controls.ept_vpid_cap & EPTVPID_WALK_4);
}

static bool
is_pdpte(const struct check *c, uint64_t entry)
{
	return !(entry & 0x1e6) && in_width(c, entry);
}

static bool
is_event_type(const struct check *c)
{
	uint64_t primary = rdmsr(MSR_VMX_PROCBASED) >> 32;

	return c->type != EVENT_RESERVED &&
	       (c->type != EVENT_OTHER || (primary & CPU_MONITOR_TRAP_FLAG));
}

static bool
is_software(const struct check *c)
{
	return c->type == HV_EVENT_SOFT_INTR || c->type == HV_EVENT_PRIV_SOFT ||
	       c->type == HV_EVENT_SOFT_EXCEPTION;
}

/* Does the exception with this vector push an error code?  Newer CPUs accept a code for any vector.
 */
static bool
vector_has_error(const struct check *c)
{
	const uint32_t vectors = 1 << 8 | 1 << 10 | 1 << 11 | 1 << 12 | 1 << 13 | 1 << 14 | 1 << 17;

	return c->vector <= 31 && (vectors & 1u << c->vector);
}

static bool
in_protected_mode(const struct check *c)
{
	return (c->cr0 & CR0_PE) || !c->unrestricted;
}

static bool
may_have_error(const struct check *c)
{
	return c->type == HV_EVENT_EXCEPTION && in_protected_mode(c) &&
	       (vector_has_error(c) || (rdmsr(MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE));
}

static bool
must_have_error(const struct check *c)
{
	return c->type == HV_EVENT_EXCEPTION && in_protected_mode(c) && vector_has_error(c) &&
	       !(rdmsr(MSR_VMX_BASIC) & BASIC_ANY_ERROR_CODE);
}

static bool
is_activity(uint64_t activity)
{
	return activity == ACTIVITY_ACTIVE ||
	       (activity <= ACTIVITY_WAIT_FOR_SIPI &&
	        (rdmsr(MSR_VMX_MISC) & MISC_ACTIVITY_HLT << (activity - ACTIVITY_HLT)));
}

/* May the event be injected in this activity state?  It must be one that ends the state. */
static bool
may_inject(const struct check *c, uint64_t activity)
{
	bool exception = c->type == HV_EVENT_EXCEPTION;
	bool machine_check = exception && c->vector == X86_MC;

	switch (activity) {
	case ACTIVITY_ACTIVE:
		return true;
	case ACTIVITY_HLT:
		return c->type == HV_EVENT_INTR || c->type == HV_EVENT_NMI || machine_check ||
		       (exception && c->vector == X86_DB) ||
		       (c->type == EVENT_OTHER && c->vector == 0);
	case ACTIVITY_SHUTDOWN:
		return c->type == HV_EVENT_NMI || machine_check;
	}
	return false;
}

/* Each rule of rules.def becomes a predicate, and a row of the table below. */
#define RULE(name, field, section, when, keeps, must)                   \
	static bool keeps_##name(const struct check *c, uint64_t value) \
	{                                                               \
		(void)c;                                                \
		(void)value;                                            \
		return !(when) || (keeps);                              \
	}
#include "vmm/vmx/rules.def"
#undef RULE

static const struct rule {
	enum section section;
	enum vmcs_field field;
	const char *name;
	bool (*keeps)(const struct check *c, uint64_t value);
	const char *must;
} rules[] = {
#define RULE(name, field, section, when, keeps, must) \
	{section, VMCS_##field, #field, keeps_##name, must},
#include "vmm/vmx/rules.def"
#undef RULE
};

static void
check_section(const struct check *c, enum section section)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++) {
		const struct rule *r = &rules[i];
		uint64_t value;

		if (r->section != section || !vmcs_field_in_use(r->field))
			continue;
		value = vmcs_read(c->v, r->field);
		if (!r->keeps(c, value))
			check_report(c, r->name, value, r->must);
	}
}

/* Compares the control words with the capability MSRs. */
static void
check_words(const struct check *c, enum section section)
{
	static const struct {
		enum section section;
		enum vmcs_field field;
		const char *name;
	} words[] = {
	        {EXECUTION, VMCS_PIN_CONTROLS, "PIN_CONTROLS"},
	        {EXECUTION, VMCS_CPU_CONTROLS, "CPU_CONTROLS"},
	        {EXECUTION, VMCS_CPU2_CONTROLS, "CPU2_CONTROLS"},
	        {EXITS, VMCS_EXIT_CONTROLS, "EXIT_CONTROLS"},
	        {ENTRIES, VMCS_ENTRY_CONTROLS, "ENTRY_CONTROLS"},
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(words); i++) {
		char must[160];
		uint64_t value;

		if (words[i].section != section || !vmcs_field_in_use(words[i].field))
			continue;
		value = vmcs_read(c->v, words[i].field);
		if (!vmx_control_allowed(words[i].field, (uint32_t)value, must, sizeof(must)))
			check_report(c, words[i].name, value, must);
	}
}

static void
read_cpu(struct check *c)
{
	uint64_t misc = rdmsr(MSR_VMX_MISC);
	uint32_t widths = cpuid(0x80000008, 0).eax;

	c->physical_bits = BITS(widths, 7, 0);
	c->linear_bits = BITS(widths, 15, 8);
	c->cr0_fixed0 = rdmsr(MSR_VMX_CR0_FIXED0);
	c->cr0_fixed1 = rdmsr(MSR_VMX_CR0_FIXED1);
	c->cr4_fixed0 = rdmsr(MSR_VMX_CR4_FIXED0);
	c->cr4_fixed1 = rdmsr(MSR_VMX_CR4_FIXED1);
	c->cr3_targets = BITS(misc, 24, 16);
	c->length_0 = misc & MISC_INJECT_LENGTH_0;
}

static void
read_controls(struct check *c)
{
	struct vcpu *v = c->v;

	c->pin = vmcs_read(v, VMCS_PIN_CONTROLS);
	c->cpu = vmcs_read(v, VMCS_CPU_CONTROLS);
	c->cpu2 = c->cpu & CPU_ACTIVATE_SECONDARY_CONTROLS ? vmcs_read(v, VMCS_CPU2_CONTROLS) : 0;
	c->exit = vmcs_read(v, VMCS_EXIT_CONTROLS);
	c->entry = vmcs_read(v, VMCS_ENTRY_CONTROLS);
	c->exit_stores = vmcs_read(v, VMCS_EXIT_MSR_STORE_COUNT);
	c->exit_loads = vmcs_read(v, VMCS_EXIT_MSR_LOAD_COUNT);
	c->entry_loads = vmcs_read(v, VMCS_ENTRY_MSR_LOAD_COUNT);
	c->intr = vmcs_read(v, VMCS_ENTRY_INTR_INFO);
	c->injecting = c->intr & HV_EVENT_VALID;
	c->type = c->intr & HV_EVENT_TYPE;
	c->vector = c->intr & 0xff;
	c->unrestricted = c->cpu2 & CPU2_UNRESTRICTED_GUEST;
	c->ia32e = c->entry & ENTRY_IA32E_MODE_GUEST;
}

static void
read_guest(struct check *c)
{
	struct vcpu *v = c->v;
	uint64_t cs = vmcs_read(v, VMCS_GUEST_CS_AR);

	c->cr0 = vmcs_read(v, VMCS_GUEST_CR0);
	c->cr4 = vmcs_read(v, VMCS_GUEST_CR4);
	c->rflags = vmcs_read(v, VMCS_GUEST_RFLAGS);
	c->debugctl = vmcs_read(v, VMCS_GUEST_DEBUGCTL);
	c->blocking = vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY);
	c->activity = vmcs_read(v, VMCS_GUEST_ACTIVITY_STATE);
	c->v8086 = c->rflags & RFLAGS_VM;
	c->code64 = c->ia32e && (cs & SEG_AR_L);
	c->pae = (c->cr0 & CR0_PG) && (c->cr4 & CR4_PAE) && !c->ia32e;
	c->cs_rpl = vmcs_read(v, VMCS_GUEST_CS_SELECTOR) & 3;
	c->cs_type = cs & SEGMENT_AR_TYPE;
	c->ss_dpl = (uint32_t)BITS(vmcs_read(v, VMCS_GUEST_SS_AR), 6, 5);
}

static void
check_sections(struct vcpu *v, struct findings *out, enum section first, enum section last)
{
	struct check c = {.v = v, .out = out};

	read_cpu(&c);
	read_controls(&c);
	read_guest(&c);
	for (enum section s = first; s <= last; s++) {
		c.title = titles[s];
		check_words(&c, s);
		check_section(&c, s);
		if (s == GUEST_SEGMENTS)
			check_segments(&c);
	}
}

void
vmx_check(struct vcpu *v, struct findings *out)
{
	check_sections(v, out, 0, SECTIONS - 1);
}

/* The errors of an entry among SDM vol. 3, "VM Instruction Error Numbers". */
static const char *const instruction_errors[] = {
        [4] = "VMLAUNCH with a VMCS that was launched already",
        [5] = "VMRESUME with a VMCS that was not launched",
        [7] = "invalid control field",
        [8] = "invalid host-state field",
        [26] = "entry with events blocked by MOV SS",
};
enum { ERROR_CONTROLS = 7, ERROR_HOST = 8, REASON_GUEST = 33, REASON_MSR_LOAD = 34 };

/* Checks the sections that the hardware's error points to; if no rule of theirs is broken, all. */
static void
explain_sections(struct vcpu *v, struct findings *out, enum section first, enum section last)
{
	check_sections(v, out, first, last);
	if (!out->broken)
		vmx_check(v, out);
}

/* VMLAUNCH or VMRESUME failed: the processor has not checked the guest's state. */
static void
explain_instruction(struct vcpu *v, struct findings *out)
{
	uint64_t error = vmcs_read(v, VMCS_INSTRUCTION_ERROR);
	const char *what =
	        error < ARRAY_SIZE(instruction_errors) ? instruction_errors[error] : NULL;

	findings_head(out, "VM-instruction error %lu: %s", error, what ? what : "see the SDM");
	if (error == ERROR_CONTROLS || error == ERROR_HOST)
		explain_sections(v, out, EXECUTION, ADDRESS_SPACE);
}

/* An MSR of the entry's list could not be loaded.  `entry` is its place in the list, from 1. */
static void
explain_msr_load(struct vcpu *v, uint64_t entry, struct findings *out)
{
	char must[96];

	snprintf(must, sizeof(must),
	         "entry %lu of the list there must be an MSR and a value that "
	         "can be loaded",
	         entry);
	findings_head(out, "exit reason 34: an MSR cannot be loaded");
	findings_add(out, "ENTRY_MSR_LOAD_ADDRESS", vmcs_read(v, VMCS_ENTRY_MSR_LOAD_ADDRESS), must,
	             CHECK_MANUAL, "Loading MSRs");
}

void
vmx_explain(struct vcpu *v, const struct hv_exit *x, struct findings *out)
{
	uint32_t reason = x ? x->raw & 0xffff : 0;

	if (!x) {
		explain_instruction(v, out);
	} else if (reason == REASON_MSR_LOAD) {
		explain_msr_load(v, x->qual, out);
	} else if (reason == REASON_GUEST) {
		findings_head(out, "exit reason 33: invalid guest state");
		explain_sections(v, out, GUEST_REGISTERS, SECTIONS - 1);
	} else {
		findings_head(out, "exit reason %u: machine check", reason);
	}
}
