#include "lib/user/user.h"

#include "inc/cpuid.h"
#include "inc/msr.h"
#include "inc/x86.h"

/*
 * What this CPU offers for virtualization: the VMX capability MSRs, bit by bit
 * (SDM vol. 3, appendix "VMX Capability Reporting Facility"), or SVM's features
 * (APM vol. 3, "Function 8000_000Ah - SVM Features").
 */

enum word { PIN, CPU, CPU2, EXITC, ENTRY, EPTVPID, BASIC, MISC, SVM, VMCR, WORDS };

static const struct bit {
	enum word word;
	unsigned int bit;
	const char *text;
} bits[] = {
#define VMX_BIT(word, bit, name, text) {word, bit, text},
#include "inc/vmxbits.def"
#undef VMX_BIT
#define SVM_BIT(bit, name, text) {SVM, bit, text},
#include "inc/svmbits.def"
#undef SVM_BIT
        {VMCR, 3, "LOCK: SVMDIS cannot be changed"},
        {VMCR, 4, "SVMDIS: SVM is switched off"},
};

struct msr_name {
	uint32_t msr;
	const char *name;
};

/* The words that hold controls: where a TRUE MSR exists, it is the one that counts. */
static const struct control_word {
	enum word word;
	struct msr_name true_msr, msr;
	const char *title;
} control_words[] = {
        {PIN,
         {MSR_VMX_TRUE_PINBASED, "IA32_VMX_TRUE_PINBASED_CTLS"},
         {MSR_VMX_PINBASED, "IA32_VMX_PINBASED_CTLS"},
         "Pin-based VM-execution controls"},
        {CPU,
         {MSR_VMX_TRUE_PROCBASED, "IA32_VMX_TRUE_PROCBASED_CTLS"},
         {MSR_VMX_PROCBASED, "IA32_VMX_PROCBASED_CTLS"},
         "Primary processor-based VM-execution controls"},
        {CPU2,
         {0, NULL},
         {MSR_VMX_PROCBASED2, "IA32_VMX_PROCBASED_CTLS2"},
         "Secondary processor-based VM-execution controls"},
        {EXITC,
         {MSR_VMX_TRUE_EXIT, "IA32_VMX_TRUE_EXIT_CTLS"},
         {MSR_VMX_EXIT, "IA32_VMX_EXIT_CTLS"},
         "VM-exit controls"},
        {ENTRY,
         {MSR_VMX_TRUE_ENTRY, "IA32_VMX_TRUE_ENTRY_CTLS"},
         {MSR_VMX_ENTRY, "IA32_VMX_ENTRY_CTLS"},
         "VM-entry controls"},
};

/* Fields of more than one bit. */
static const struct field {
	enum word word;
	unsigned int hi, lo;
	const char *text;
} fields[] = {
        {SVM, 63, 32, "Address-space identifiers (ASIDs)"},
        {BASIC, 30, 0, "VMCS revision identifier"},
        {BASIC, 44, 32, "Size of a VMXON or VMCS region, bytes"},
        {BASIC, 53, 50, "Memory type of VMCS accesses (6 is write-back)"},
        {MISC, 4, 0, "VMX-preemption timer counts at TSC bit"},
        {MISC, 24, 16, "CR3-target values"},
        {MISC, 27, 25, "MSR lists: recommended maximum is 512 * (this + 1)"},
        {MISC, 63, 32, "MSEG revision identifier"},
};

static struct hv_caps caps;

static bool
find_msr(uint32_t msr, uint64_t *value)
{
	for (uint32_t i = 0; msr && i < caps.words && i < HV_CAPS_WORDS; i++) {
		if (caps.msr[i].msr == msr) {
			*value = caps.msr[i].value;
			return true;
		}
	}
	return false;
}

static const char *
yes_no(bool b)
{
	return b ? "yes" : "no";
}

static void
print_title(const char *title, const struct msr_name *msr, uint64_t value)
{
	printf("\n%s\n%s (%xh) = %016lx\n", title, msr->name, msr->msr, value);
}

/*
 * Allowed-0 settings are in bits 31:0: a control can be 0 where its bit is 0.
 * Allowed-1 settings are in bits 63:32: it can be 1 where its bit is 1.
 */
static void
print_controls(const struct control_word *w)
{
	const struct msr_name *msr = &w->true_msr;
	uint32_t must, can, named = 0;
	uint64_t value;

	if (!find_msr(msr->msr, &value)) {
		msr = &w->msr;
		if (!find_msr(msr->msr, &value))
			return;
	}
	must = value;
	can = value >> 32;
	print_title(w->title, msr, value);
	printf("%4s  %-40s %9s %9s\n", "bit", "control", "can be 0", "can be 1");
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++) {
		uint32_t mask = 1u << (bits[i].bit & 31);

		if (bits[i].word != w->word)
			continue;
		named |= mask;
		printf("%4u  %-40s %9s %9s\n", bits[i].bit, bits[i].text, yes_no(!(must & mask)),
		       yes_no(can & mask));
	}
	printf("      Bits without a name: %08x must be 1, %08x more can be 1\n", must & ~named,
	       can & ~must & ~named);
}

static void
print_flags(enum word word, const char *title, const struct msr_name *msr)
{
	uint64_t value;

	if (!find_msr(msr->msr, &value))
		return;
	print_title(title, msr, value);
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		if (fields[i].word == word)
			printf("%2u:%-3u%-60s %llu\n", fields[i].hi, fields[i].lo, fields[i].text,
			       BITS(value, fields[i].hi, fields[i].lo));
	for (size_t i = 0; i < ARRAY_SIZE(bits); i++)
		if (bits[i].word == word)
			printf("%4u  %-60s %s\n", bits[i].bit, bits[i].text,
			       yes_no(value & BIT(bits[i].bit)));
}

int
main(int argc, char **argv)
{
	static const struct msr_name basic = {MSR_VMX_BASIC, "IA32_VMX_BASIC"};
	static const struct msr_name misc = {MSR_VMX_MISC, "IA32_VMX_MISC"};
	static const struct msr_name ept_vpid = {MSR_VMX_EPT_VPID_CAP, "IA32_VMX_EPT_VPID_CAP"};
	static const struct msr_name vm_cr = {MSR_VM_CR, "VM_CR"};
	static const struct msr_name svm = {CPUID_SVM, "CPUID leaf"};
	long err = sys_hv_caps(&caps);

	(void)argc;
	(void)argv;
	if (err < 0) {
		printf("caps: %s\n", error_text(err));
		return 1;
	}
	printf("CPU: %s\n", caps.cpu);
	if (caps.vendor == HV_VMX) {
		print_flags(BASIC, "VMX basics", &basic);
		for (size_t i = 0; i < ARRAY_SIZE(control_words); i++)
			print_controls(&control_words[i]);
		print_flags(EPTVPID, "EPT and VPID", &ept_vpid);
		print_flags(MISC, "Miscellaneous", &misc);
	} else if (caps.vendor == HV_SVM) {
		print_flags(VMCR, "SVM switch", &vm_cr);
		print_flags(SVM, "SVM features, EBX above EDX", &svm);
	}
	if (caps.usable && caps.nested)
		printf("\nThis CPU can run VMs.\n");
	else if (caps.usable)
		printf("\nThis CPU can run VMs with shadow paging only, and only guests that keep "
		       "paging on (vm --kernel).\n%s\n",
		       caps.refusal);
	else
		printf("%sNo VMs: %s\n", caps.words ? "\n" : "", caps.refusal);
	return 0;
}
