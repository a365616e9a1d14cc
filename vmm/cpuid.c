#include "vmm/vmm.h"

#include "inc/cpuid.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The guest's CPUID.  It shows this processor's own answers, masked by the policy tables
 * below; a bit that no row allows is 0.  The answers are made once, at boot, since CPUID
 * itself may be a costly exit under another hypervisor.
 */

enum { BASIC_MAX = 0xd, EXTENDED_MAX = 8, SUBLEAVES = 10 };

/* Leaves whose answer does not depend on ECX: masks for EAX, EBX, ECX, EDX. */
struct cpuid_mask {
	uint32_t leaf;
	uint32_t eax, ebx, ecx, edx;
};

#define ALL 0xffffffffu

static const struct cpuid_mask masks[] = {
        {0x0, ALL, ALL, ALL, ALL},
        /* No MONITOR, VMX, SMX, EST, TM2, PDCM, PCID, DCA, x2APIC, TSC-deadline; OSXSAVE follows
         * CR4; no MCE, MCA, MTRR, PSN, DS, ACPI, SS, TM, PBE; APIC and HTT only for several
         * vCPUs. */
        {0x1, ALL, 0x0000ff00, 0x76d83203, 0x078ba97f},
        {0x2, ALL, ALL, ALL, ALL},
        {0x80000000, ALL, ALL, ALL, ALL},
        /* LAHF, ABM, SSE4A, misaligned SSE, prefetch; SYSCALL, NX, 1-GByte pages, long mode. */
        {0x80000001, ALL, 0, 0x000001e1, 0x24100800},
        {0x80000002, ALL, ALL, ALL, ALL},
        {0x80000003, ALL, ALL, ALL, ALL},
        {0x80000004, ALL, ALL, ALL, ALL},
        {0x80000005, ALL, ALL, ALL, ALL},
        {0x80000006, ALL, ALL, ALL, ALL},
        {0x80000007, 0, 0, 0, 0x00000100}, /* invariant TSC */
        {0x80000008, ALL, 0, 0, 0},
};

/* Leaf 7, subleaf 0.  EBX: FSGSBASE, BMI1, AVX2, SMEP, BMI2, ERMS, AVX512F/DQ, RDSEED, ADX, SMAP,
 * AVX512IFMA, CLFLUSHOPT, CLWB, AVX512CD, SHA, AVX512BW/VL.  ECX: AVX512VBMI, UMIP. */
static const struct cpuid_mask mask_7 = {7, 0, 0xf1bf03a9, 0x00000006, 0};

/* The XSAVE components that state.c switches: no MPX, no PKRU, no supervisor state. */
static const uint64_t xcr0_components =
        XCR0_X87 | XCR0_SSE | XCR0_AVX | XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM;

static struct {
	struct cpuid_regs basic[BASIC_MAX + 1];
	struct cpuid_regs extended[EXTENDED_MAX + 1];
	struct cpuid_regs cache[SUBLEAVES]; /* leaf 4 */
	struct cpuid_regs xsave[SUBLEAVES]; /* leaf 0xd */
	uint64_t xcr0;
} shown;

const struct cpuid_regs *cpuid_fixed[CPUID_FIXED_LEAVES];
_Static_assert(CPUID_FIXED_LEAVES == BASIC_MAX + 1, "one for each basic leaf");

static struct cpuid_regs
masked(const struct cpuid_mask *m)
{
	struct cpuid_regs r = cpuid(m->leaf, 0);

	r.eax &= m->eax;
	r.ebx &= m->ebx;
	r.ecx &= m->ecx;
	r.edx &= m->edx;
	return r;
}

/* Makes the answers of leaf 0xd.  EBX of subleaves 0 and 1 depends on the guest's XCR0, so each
 * exit asks the processor for it. */
static void
xsave_init(void)
{
	struct cpuid_regs r = cpuid(0xd, 0);

	if (!(shown.basic[1].ecx & CPUID1_ECX_XSAVE))
		return;
	shown.xcr0 = ((uint64_t)r.edx << 32 | r.eax) & xcr0_components;
	shown.xsave[0].eax = (uint32_t)shown.xcr0;
	shown.xsave[0].ecx = 512 + 64;
	for (unsigned int i = 2; i < SUBLEAVES; i++) {
		if (!(shown.xcr0 & BIT(i)))
			continue;
		shown.xsave[i] = cpuid(0xd, i);
		if (shown.xsave[i].ebx + shown.xsave[i].eax > shown.xsave[0].ecx)
			shown.xsave[0].ecx = shown.xsave[i].ebx + shown.xsave[i].eax;
	}
	shown.xsave[1].eax = cpuid(0xd, 1).eax & 0x7; /* XSAVEOPT, XSAVEC, XGETBV with ECX = 1 */
}

void
cpuid_init(void)
{
	uint32_t basic = cpuid(0, 0).eax;
	uint32_t extended = cpuid(0x80000000, 0).eax;

	memset(&shown, 0, sizeof(shown));
	for (unsigned int i = 0; i < ARRAY_SIZE(masks); i++) {
		const struct cpuid_mask *m = &masks[i];

		if (m->leaf < 0x80000000 && m->leaf <= basic)
			shown.basic[m->leaf] = masked(m);
		else if (m->leaf >= 0x80000000 && m->leaf <= extended)
			shown.extended[m->leaf & 0xff] = masked(m);
	}
	if (basic >= 7)
		shown.basic[7] = masked(&mask_7);
	for (unsigned int i = 0; basic >= 4 && i < SUBLEAVES; i++) {
		shown.cache[i] = cpuid(4, i);
		shown.cache[i].eax &= 0x3fff; /* one core, one thread */
	}
	if (basic >= 0xd)
		xsave_init();
	shown.basic[0].eax = basic < BASIC_MAX ? basic : BASIC_MAX;
	for (uint32_t leaf = 0; leaf <= shown.basic[0].eax; leaf++)
		if (leaf != 1 && leaf != 4 && leaf != 7 && leaf != 0xb && leaf != 0xd)
			cpuid_fixed[leaf] = &shown.basic[leaf];
	shown.basic[1].ebx |= 1 << 16; /* one logical processor */
	shown.basic[1].ecx |= CPUID1_ECX_HYPERVISOR;
	if (shown.extended[0].eax > 0x80000000 + EXTENDED_MAX)
		shown.extended[0].eax = 0x80000000 + EXTENDED_MAX;
	if (cpuid_phys_bits() > 39)
		shown.extended[8].eax = (shown.extended[8].eax & ~0xffu) | 39;
}

bool
cpuid_has_nx(void)
{
	return shown.extended[1].edx & CPUIDX1_EDX_NX;
}

unsigned int
cpuid_phys_bits(void)
{
	return shown.extended[8].eax ? shown.extended[8].eax & 0xff : 36;
}

uint64_t
state_xcr0_allowed(void)
{
	return shown.xcr0;
}

/* Shows several vCPUs as one package of cores with one thread each.  The APIC id is the index of
 * the vCPU. */
static void
show_processors(const struct vcpu *v, uint32_t leaf, struct cpuid_regs *r)
{
	unsigned int count = v->vm->vcpu_count;
	unsigned int ids = count > 4 ? 8 : count > 2 ? 4 : 2; /* a power of 2 that holds them */

	if (leaf == 1) {
		r->ebx = (r->ebx & 0xffff) | count << 16 | v->index << 24;
		r->edx |= CPUID1_EDX_APIC | CPUID1_EDX_HTT;
	} else if (leaf == 4 && (r->eax & 0x1f)) {
		r->eax |= (ids - 1) << 26;
	} else if (leaf == 0x80000001 && hv_caps.vendor == HV_SVM) {
		r->ecx |= CPUIDX1_ECX_CMP_LEGACY;
	} else if (leaf == 0x80000008 && hv_caps.vendor == HV_SVM) {
		r->ecx |= count - 1;
	}
}

static struct cpuid_regs
hypervisor_leaf(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = {0};

	if (leaf >= HV_CPUID_LEAF_FIRST && leaf <= HV_CPUID_LEAF_LAST)
		return leaves_read(v, leaf, subleaf);
	if (leaf == HV_CPUID_BASE) {
		r.eax = HV_CPUID_BASE + 1;
		memcpy(&r.ebx, &HV_CPUID_SIGNATURE[0], 4);
		memcpy(&r.ecx, &HV_CPUID_SIGNATURE[4], 4);
		memcpy(&r.edx, &HV_CPUID_SIGNATURE[8], 4);
	} else if (leaf == HV_CPUID_BASE + 1) {
		r.eax = NESTLING_HV_VERSION;
	}
	return r;
}

struct cpuid_regs
cpuid_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	struct cpuid_regs r = {0};

	if (leaf <= BASIC_MAX && leaf <= shown.basic[0].eax) {
		r = shown.basic[leaf];
		if (leaf == 1 && v && (hv->get_reg(v, HV_CR4) & CR4_OSXSAVE))
			r.ecx |= CPUID1_ECX_OSXSAVE;
		if (leaf == 7 && subleaf)
			r = (struct cpuid_regs){0};
		if (leaf == 4 && subleaf < SUBLEAVES)
			r = shown.cache[subleaf];
		if (leaf == 0xb)
			r.ecx = subleaf & 0xff;
		if (leaf == 0xd && subleaf < SUBLEAVES) {
			r = shown.xsave[subleaf];
			if (subleaf < 2 && v && shown.xcr0)
				r.ebx = cpuid(leaf, subleaf).ebx;
		}
		if (v && v->vm->vcpu_count > 1)
			show_processors(v, leaf, &r);
		return r;
	}
	if (leaf >= 0x80000000 && leaf <= shown.extended[0].eax) {
		r = shown.extended[leaf & 0xff];
		if (v && v->vm->vcpu_count > 1)
			show_processors(v, leaf, &r);
		return r;
	}
	if (leaf >= HV_CPUID_BASE && leaf <= HV_CPUID_LEAF_LAST)
		return hypervisor_leaf(v, leaf, subleaf);
	return r;
}
