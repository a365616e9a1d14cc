#include "vmm/svm/quirks.h"

#include "inc/cpuid.h"
#include "inc/x86.h"

/*
 * Checks the VMCB by the manual's rules for VMRUN, to say why VMRUN refused it.  The checker knows
 * only the VMCB and the processor.  In a VMCB that VMRUN accepts it finds no broken rule.
 */

enum section { CONSISTENCY, INJECTION, NESTED, SECTIONS };

static const char *const titles[SECTIONS] = {
        [CONSISTENCY] = "Canonicalization and Consistency Checks",
        [INJECTION] = "Event Injection",
        [NESTED] = "Nested Paging: Enabling Nested Paging",
};

enum { ATTRIB_L = 0x200, ATTRIB_DB = 0x400 };
static const uint64_t CR4_DEFINED = 0x00f71fffull;
static const uint64_t EFER_DEFINED = 0x0036fd01ull;

/* A snapshot of what many rules need. */
struct check {
	bool has_long_mode;
	bool long_mode; /* EFER.LME and CR0.PG */
	bool long_mode_active;
	bool injecting;
	uint32_t type, vector;
	uint32_t asids;
	unsigned int physical_bits;
};

static bool
fits(const struct check *c, uint64_t pa, uint64_t pages)
{
	return ROUND_DOWN(pa, PAGE_SIZE) < (1ull << c->physical_bits) - (pages - 1) * PAGE_SIZE;
}

/* Each rule of rules.def becomes two functions, and a row of the table below. */
#define RULE(name, field, shown, section, when, keeps, must)                  \
	static bool keeps_##name(const struct check *c, const struct vmcb *b) \
	{                                                                     \
		(void)c;                                                      \
		(void)b;                                                      \
		return !(when) || (keeps);                                    \
	}                                                                     \
	static uint64_t value_##name(const struct vmcb *b)                    \
	{                                                                     \
		return shown;                                                 \
	}
#include "vmm/svm/rules.def"
#undef RULE

static const struct rule {
	const char *field;
	enum section section;
	bool (*keeps)(const struct check *c, const struct vmcb *b);
	uint64_t (*value)(const struct vmcb *b);
	const char *must;
} rules[] = {
#define RULE(name, field, shown, section, when, keeps, must) \
	{field, section, keeps_##name, value_##name, must},
#include "vmm/svm/rules.def"
#undef RULE
};

static void
check_vmcb(const struct vmcb *b, struct findings *out)
{
	const struct check c = {
	        .has_long_mode = cpuid(0x80000001, 0).edx & CPUIDX1_EDX_LM,
	        .long_mode = (b->efer & EFER_LME) && (b->cr0 & CR0_PG),
	        .injecting = b->event_inject & HV_EVENT_VALID,
	        .long_mode_active = (b->efer & EFER_LMA) && (b->cs.attrib & ATTRIB_L),
	        .type = b->event_inject & HV_EVENT_TYPE,
	        .vector = b->event_inject & 0xff,
	        .asids = cpuid(0x8000000a, 0).ebx,
	        .physical_bits = BITS(cpuid(0x80000008, 0).eax, 7, 0),
	};

	for (unsigned int i = 0; i < ARRAY_SIZE(rules); i++)
		if (!rules[i].keeps(&c, b))
			findings_add(out, rules[i].field, rules[i].value(b), rules[i].must,
			             "APM vol. 2", titles[rules[i].section]);
}

void
svm_check(struct vcpu *v, struct findings *out)
{
	check_vmcb(svm_vmcb(v), out);
}

void
svm_explain(struct vcpu *v, const struct hv_exit *x, struct findings *out)
{
	(void)x;
	findings_head(out, "VMRUN found the VMCB invalid (VMEXIT_INVALID)");
	if (v->breaking.state == BREAK_PLANTED)
		quirk_put_back_vmcb(v);
	check_vmcb(svm_vmcb(v), out);
}
