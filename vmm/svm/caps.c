#include "vmm/svm/svm.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/printf.h"

/* The SVM features of the CPU (APM vol. 3, "Function 8000_000Ah"). */

uint32_t svm_features, svm_asids;

static const struct {
	uint32_t feature;
	const char *text;
	unsigned int bit;
} feature_names[] = {
#define SVM_BIT(b, name, t) {SVM_FEATURE_##name, t, b},
#include "inc/svmbits.def"
#undef SVM_BIT
};

/* The features that this hypervisor cannot do without. */
static const uint32_t features_needed = SVM_FEATURE_NP;

static int
prove_needed(char *why, uint64_t size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(feature_names); i++) {
		if (!(features_needed & ~svm_features & feature_names[i].feature))
			continue;
		snprintf(why, size,
		         "SVM: the feature \"%s\" is missing (CPUID 8000000Ah EDX bit %u)",
		         feature_names[i].text, feature_names[i].bit);
		return -E_NO_HV;
	}
	return 0;
}

/* Adds the value of an MSR; or of a CPUID leaf, with EDX in the low half and EBX in the high half.
 */
static void
add_word(struct hv_caps *caps, uint32_t msr, uint64_t value)
{
	caps->msr[caps->words].msr = msr;
	caps->msr[caps->words++].value = value;
}

int
svm_prove_features(struct hv_caps *caps)
{
	struct cpuid_regs r;

	if (cpuid(0x80000000, 0).eax < CPUID_SVM || !(cpuid(0x80000001, 0).ecx & CPUIDX1_ECX_SVM))
		return -E_NO_HV;
	r = cpuid(CPUID_SVM, 0);
	svm_features = r.edx;
	svm_asids = r.ebx;
	caps->vendor = HV_SVM;
	add_word(caps, MSR_VM_CR, rdmsr(MSR_VM_CR));
	add_word(caps, CPUID_SVM, (uint64_t)r.ebx << 32 | r.edx);
	if (rdmsr(MSR_VM_CR) & VM_CR_SVMDIS) {
		snprintf(caps->refusal, HV_CAPS_TEXT,
		         "SVM: the firmware has locked it off (VM_CR bit 4, SVMDIS); "
		         "switch it on in the firmware's setup");
		return -E_NO_HV;
	}
	if (svm_asids < 2) {
		snprintf(caps->refusal, HV_CAPS_TEXT,
		         "SVM: the CPU has no ASID for a guest (CPUID 8000000Ah EBX is %u)",
		         svm_asids);
		return -E_NO_HV;
	}
	return prove_needed(caps->refusal, HV_CAPS_TEXT);
}

bool
svm_features_proven(void)
{
	struct cpuid_regs r = {0};

	if (cpuid(0x80000000, 0).eax >= CPUID_SVM)
		r = cpuid(CPUID_SVM, 0);
	return r.edx == svm_features && r.ebx == svm_asids && !(rdmsr(MSR_VM_CR) & VM_CR_SVMDIS);
}
