#include "vmm/vmx/vmx.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/printf.h"
#include "lib/string.h"

/*
 * The proof of capabilities: each control bit that this hypervisor needs is a row here, and is
 * compared with the capability MSRs before a VM can exist.
 */

struct vmx_controls vmx_controls;

enum word {
	WORD_PIN,
	WORD_CPU,
	WORD_CPU2,
	WORD_EXITC,
	WORD_ENTRY,
	WORD_EPTVPID,
	WORD_BASIC,
	WORD_MISC
};

static const struct {
	const char *msr;
	const char *text;
	enum vmcs_field field; /* 0: the word is not a control word */
} words[] = {
        [WORD_PIN] = {"IA32_VMX_PINBASED_CTLS", "pin-based control", VMCS_PIN_CONTROLS},
        [WORD_CPU] = {"IA32_VMX_PROCBASED_CTLS", "primary processor-based control",
                      VMCS_CPU_CONTROLS},
        [WORD_CPU2] = {"IA32_VMX_PROCBASED_CTLS2", "secondary processor-based control",
                       VMCS_CPU2_CONTROLS},
        [WORD_EXITC] = {"IA32_VMX_EXIT_CTLS", "VM-exit control", VMCS_EXIT_CONTROLS},
        [WORD_ENTRY] = {"IA32_VMX_ENTRY_CTLS", "VM-entry control", VMCS_ENTRY_CONTROLS},
        [WORD_EPTVPID] = {"IA32_VMX_EPT_VPID_CAP", "EPT capability", 0},
        [WORD_BASIC] = {"IA32_VMX_BASIC", "capability", 0},
        [WORD_MISC] = {"IA32_VMX_MISC", "capability", 0},
};

static const struct bit_name {
	enum word word;
	unsigned int bit;
	const char *text;
} bit_names[] = {
#define VMX_BIT(w, b, name, t) {WORD_##w, b, t},
#include "inc/vmxbits.def"
#undef VMX_BIT
};

/* What a CPU must allow for a control bit; a bit without a row is 0 if the CPU allows 0. */
enum need {
	MUST_1,   /* 1, or the CPU is refused */
	MUST_0,   /* 0, or the CPU is refused */
	WANT,     /* nothing: the bit is 1 if the CPU allows 1 */
	SWITCH,   /* both: the bit starts as 0 and changes at run time */
	SWITCH_1, /* both: the bit starts as 1 and changes at run time */
};

struct rule {
	enum word word;
	uint64_t bit;
	enum need need;
};

/*
 * Rules for nested paging.  A CPU that breaks one of them runs VMs with shadow paging alone: all
 * these bits stay 0, and MSR lists switch EFER instead (vmcs.c).  The message names the first
 * missing bit, so the controls that poor processors lack come first.
 */
static const struct rule ept_rules[] = {
        {WORD_CPU2, CPU2_ENABLE_EPT, SWITCH_1},     {WORD_CPU2, CPU2_UNRESTRICTED_GUEST, SWITCH_1},
        {WORD_EPTVPID, EPTVPID_WALK_4, MUST_1},     {WORD_EPTVPID, EPTVPID_MEMTYPE_WB, MUST_1},
        {WORD_EPTVPID, EPTVPID_PAGES_2M, MUST_1},   {WORD_EPTVPID, EPTVPID_INVEPT, MUST_1},
        {WORD_EPTVPID, EPTVPID_INVEPT_ALL, MUST_1}, {WORD_EXITC, EXITC_SAVE_EFER, MUST_1},
        {WORD_EXITC, EXITC_LOAD_EFER, MUST_1},      {WORD_EXITC, EXITC_SAVE_PAT, MUST_1},
        {WORD_EXITC, EXITC_LOAD_PAT, MUST_1},       {WORD_ENTRY, ENTRY_LOAD_EFER, MUST_1},
        {WORD_ENTRY, ENTRY_LOAD_PAT, MUST_1},
};

/* Rules for every CPU. */
static const struct rule rules[] = {
        {WORD_CPU, CPU_ACTIVATE_SECONDARY_CONTROLS, WANT},
        {WORD_CPU2, CPU2_ENABLE_VPID, WANT},
        {WORD_CPU2, CPU2_WBINVD_EXITING, WANT},
        {WORD_PIN, PIN_EXTERNAL_INTERRUPT_EXITING, MUST_1},
        {WORD_PIN, PIN_NMI_EXITING, MUST_1},
        {WORD_PIN, PIN_ACTIVATE_PREEMPTION_TIMER, WANT},
        {WORD_CPU, CPU_HLT_EXITING, MUST_1},
        {WORD_CPU, CPU_MWAIT_EXITING, MUST_1},
        {WORD_CPU, CPU_MONITOR_EXITING, MUST_1},
        {WORD_CPU, CPU_RDPMC_EXITING, MUST_1},
        {WORD_CPU, CPU_USE_TSC_OFFSETTING, MUST_1},
        {WORD_CPU, CPU_CR8_LOAD_EXITING, MUST_1},
        {WORD_CPU, CPU_CR8_STORE_EXITING, MUST_1},
        {WORD_CPU, CPU_MOV_DR_EXITING, MUST_1},
        {WORD_CPU, CPU_UNCONDITIONAL_IO_EXITING, MUST_1},
        {WORD_CPU, CPU_USE_MSR_BITMAPS, MUST_1},
        {WORD_CPU, CPU_INTERRUPT_WINDOW_EXITING, SWITCH},
        {WORD_CPU, CPU_CR3_LOAD_EXITING, SWITCH},
        {WORD_CPU, CPU_CR3_STORE_EXITING, SWITCH},
        {WORD_CPU, CPU_INVLPG_EXITING, SWITCH},
        {WORD_CPU, CPU_RDTSC_EXITING, MUST_0},
        {WORD_CPU, CPU_USE_TPR_SHADOW, MUST_0},
        {WORD_CPU, CPU_USE_IO_BITMAPS, MUST_0},
        {WORD_EXITC, EXITC_SAVE_DEBUG_CONTROLS, MUST_1},
        {WORD_EXITC, EXITC_HOST_ADDRESS_SPACE_SIZE, MUST_1},
        {WORD_EXITC, EXITC_ACKNOWLEDGE_INTERRUPT, MUST_1},
        {WORD_ENTRY, ENTRY_LOAD_DEBUG_CONTROLS, MUST_1},
        {WORD_ENTRY, ENTRY_IA32E_MODE_GUEST, SWITCH},
        {WORD_BASIC, BASIC_INS_OUTS_INFO, MUST_1},
};

struct allowed {
	uint64_t must, may; /* bits that must be 1, and bits that may be 1 */
};

static struct allowed
allowed_of(uint32_t msr)
{
	uint64_t v = rdmsr(msr);

	return (struct allowed){.must = (uint32_t)v, .may = v >> 32};
}

/* The words of the CPU on which vmx_controls were proven. */
static struct allowed proven[ARRAY_SIZE(words)];

/* Reads the words that exist.  The others stay 0, which allows nothing. */
static void
read_words(struct allowed *a)
{
	uint64_t basic = rdmsr(MSR_VMX_BASIC);
	bool true_controls = basic & BASIC_TRUE_CONTROLS;

	a[WORD_BASIC].may = basic;
	a[WORD_MISC].may = rdmsr(MSR_VMX_MISC);
	a[WORD_PIN] = allowed_of(true_controls ? MSR_VMX_TRUE_PINBASED : MSR_VMX_PINBASED);
	a[WORD_CPU] = allowed_of(true_controls ? MSR_VMX_TRUE_PROCBASED : MSR_VMX_PROCBASED);
	a[WORD_EXITC] = allowed_of(true_controls ? MSR_VMX_TRUE_EXIT : MSR_VMX_EXIT);
	a[WORD_ENTRY] = allowed_of(true_controls ? MSR_VMX_TRUE_ENTRY : MSR_VMX_ENTRY);
	if (a[WORD_CPU].may & CPU_ACTIVATE_SECONDARY_CONTROLS)
		a[WORD_CPU2] = allowed_of(MSR_VMX_PROCBASED2);
	if (a[WORD_CPU2].may & (CPU2_ENABLE_EPT | CPU2_ENABLE_VPID))
		a[WORD_EPTVPID].may = rdmsr(MSR_VMX_EPT_VPID_CAP);
}

static const char *
bit_text(enum word word, unsigned int bit)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bit_names); i++)
		if (bit_names[i].word == word && bit_names[i].bit == bit)
			return bit_names[i].text;
	return "reserved";
}

bool
vmx_control_allowed(enum vmcs_field field, uint32_t value, char *must, uint64_t size)
{
	struct allowed a[ARRAY_SIZE(words)] = {0};
	enum word w = WORD_PIN;
	uint32_t wrong;

	read_words(a);
	while (words[w].field != field)
		w++;
	wrong = value ^ ((value | (uint32_t)a[w].must) & (uint32_t)a[w].may);
	if (!wrong)
		return true;
	snprintf(must, size, "bit %d (%s) must be %d on this CPU (%s)", __builtin_ctz(wrong),
	         bit_text(w, __builtin_ctz(wrong)), !(value & wrong & -wrong), words[w].msr);
	return false;
}

static int
refuse(const struct rule *rule, const char *what, struct hv_caps *caps)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(bit_names); i++) {
		const struct bit_name *n = &bit_names[i];

		if (n->word != rule->word || BIT(n->bit) != rule->bit)
			continue;
		snprintf(caps->refusal, HV_CAPS_TEXT, "VMX: the %s \"%s\" %s (%s bit %u)",
		         words[n->word].text, n->text, what, words[n->word].msr, n->bit);
		break;
	}
	return -E_NO_HV;
}

/* Adds to `set` the bits that the rules want; -E_NO_HV if the CPU breaks a rule. */
static int
prove(const struct allowed *a, const struct rule *r, unsigned int count, uint64_t *set,
      struct hv_caps *caps)
{
	for (; count; r++, count--) {
		const struct allowed *w = &a[r->word];
		bool starts_on = r->need == MUST_1 || r->need == SWITCH_1;
		bool changes = r->need == SWITCH || r->need == SWITCH_1;

		if ((starts_on || changes) && !(w->may & r->bit))
			return refuse(r, "is missing", caps);
		if ((r->need == MUST_0 || changes) && (w->must & r->bit))
			return refuse(r, "cannot be switched off", caps);
		if (starts_on || (r->need == WANT && (w->may & r->bit)))
			set[r->word] |= r->bit;
	}
	return 0;
}

int
vmx_prove_controls(struct hv_caps *caps)
{
	struct allowed a[ARRAY_SIZE(words)] = {0};
	uint64_t set[ARRAY_SIZE(words)], with_ept[ARRAY_SIZE(words)];

	read_words(a);
	for (unsigned int w = 0; w < ARRAY_SIZE(words); w++)
		set[w] = with_ept[w] = a[w].must;
	caps->nested = prove(a, ept_rules, ARRAY_SIZE(ept_rules), with_ept, caps) == 0;
	if (caps->nested)
		memcpy(set, with_ept, sizeof(set));
	if (prove(a, rules, ARRAY_SIZE(rules), set, caps) < 0)
		return -E_NO_HV;
	/* VPIDs are of use only with INVVPID. */
	if (!(a[WORD_EPTVPID].may & EPTVPID_INVVPID) ||
	    !(a[WORD_EPTVPID].may & EPTVPID_INVVPID_ALL))
		set[WORD_CPU2] &= ~CPU2_ENABLE_VPID;
	vmx_controls = (struct vmx_controls){
	        .pin = (uint32_t)set[WORD_PIN],
	        .cpu = (uint32_t)set[WORD_CPU],
	        .cpu2 = (uint32_t)set[WORD_CPU2],
	        .exit = (uint32_t)set[WORD_EXITC],
	        .entry = (uint32_t)set[WORD_ENTRY],
	        .ept_vpid_cap = a[WORD_EPTVPID].may,
	};
	memcpy(proven, a, sizeof(proven));
	return 0;
}

bool
vmx_controls_proven(void)
{
	struct allowed a[ARRAY_SIZE(words)] = {0};

	read_words(a);
	return !memcmp(a, proven, sizeof(proven));
}

static void
report(struct hv_caps *caps, uint32_t msr)
{
	caps->msr[caps->words].msr = msr;
	caps->msr[caps->words++].value = rdmsr(msr);
}

void
vmx_report(struct hv_caps *caps)
{
	struct allowed a[ARRAY_SIZE(words)] = {0};

	read_words(a);
	report(caps, MSR_FEATURE_CONTROL);
	for (uint32_t msr = MSR_VMX_BASIC; msr <= MSR_VMX_VMCS_ENUM; msr++)
		report(caps, msr);
	if (a[WORD_CPU].may & CPU_ACTIVATE_SECONDARY_CONTROLS)
		report(caps, MSR_VMX_PROCBASED2);
	if (a[WORD_EPTVPID].may)
		report(caps, MSR_VMX_EPT_VPID_CAP);
	if (a[WORD_BASIC].may & BASIC_TRUE_CONTROLS)
		for (uint32_t msr = MSR_VMX_TRUE_PINBASED; msr <= MSR_VMX_TRUE_ENTRY; msr++)
			report(caps, msr);
}
_Static_assert(HV_CAPS_WORDS >= 1 + 11 + 2 + 4, "vmx_report() fits in struct hv_caps");
