#include "vmm/vmm.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/gmem.h"

/*
 * Control registers as the guest sees them.  The rules are the architecture's own (SDM
 * vol. 3, "Control Registers"), and a bit can be set only if the guest's CPUID shows its
 * feature.  The back end adds the bits that the hardware needs (VMXE, NE, ...) behind the
 * guest's back.
 */

static const uint64_t cr0_known = CR0_PE | CR0_MP | CR0_EM | CR0_TS | CR0_ET | CR0_NE | CR0_WP |
                                  CR0_AM | CR0_NW | CR0_CD | CR0_PG;

/* A CR4 bit that exists when CPUID shows a feature bit. */
static const struct cr4_rule {
	uint64_t bit;
	uint32_t leaf;
	uint32_t cpuid_regs_word; /* 1 EBX, 2 ECX, 3 EDX */
	uint32_t feature;
} cr4_rules[] = {
        {CR4_FSGSBASE, 7, 1, CPUID7_EBX_FSGSBASE}, {CR4_SMEP, 7, 1, CPUID7_EBX_SMEP},
        {CR4_SMAP, 7, 1, CPUID7_EBX_SMAP},         {CR4_UMIP, 7, 2, CPUID7_ECX_UMIP},
        {CR4_OSXSAVE, 1, 2, CPUID1_ECX_XSAVE},
};

uint64_t
cr4_allowed(void)
{
	static uint64_t allowed;

	if (allowed)
		return allowed;
	uint64_t bits = CR4_VME | CR4_PVI | CR4_TSD | CR4_DE | CR4_PSE | CR4_PAE | CR4_PGE |
	                CR4_PCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	for (unsigned int i = 0; i < ARRAY_SIZE(cr4_rules); i++) {
		const struct cr4_rule *rule = &cr4_rules[i];
		struct cpuid_regs r = cpuid_guest(NULL, rule->leaf, 0);
		const uint32_t word[] = {r.eax, r.ebx, r.ecx, r.edx};

		if (word[rule->cpuid_regs_word] & rule->feature)
			bits |= rule->bit;
	}
	return allowed = bits;
}

/*
 * PAE paging loads its four top entries into registers, and the load gets #GP if an entry is
 * present with reserved bits set (SDM vol. 3, "PDPTE Registers").  When a MOV exits, VMX leaves the
 * load to the hypervisor.  A MOV to CR4 that changes one of these bits loads the entries.
 */
static const uint64_t cr4_loads_pdptes = CR4_PAE | CR4_PGE | CR4_PSE | CR4_SMEP;

bool
pdptes_used(uint64_t cr0, uint64_t cr4, uint64_t efer)
{
	return (cr0 & CR0_PG) && (cr4 & CR4_PAE) && !(efer & EFER_LMA);
}

bool
pdptes_read(struct vcpu *v, uint64_t cr3, uint64_t pdpte[PDPTES])
{
	const uint64_t set_by_cpu = v->shadow ? 0 : hv->traits.pdpte_set;
	const uint64_t reserved = (0x1e6 & ~set_by_cpu) | ~(BIT(cpuid_phys_bits()) - 1);

	if (gphys_read(v->vm, cr3 & 0xffffffe0, pdpte, PDPTES * sizeof(*pdpte)) < 0)
		memset(pdpte, 0, PDPTES * sizeof(*pdpte));
	for (unsigned int i = 0; i < PDPTES; i++)
		if ((pdpte[i] & PTE_P) && (pdpte[i] & reserved))
			return false;
	return true;
}

static bool
pdptes_valid(struct vcpu *v, uint64_t cr0, uint64_t cr3, uint64_t cr4, uint64_t efer)
{
	uint64_t pdpte[PDPTES];

	return !pdptes_used(cr0, cr4, efer) || pdptes_read(v, cr3, pdpte);
}

bool
cr0_can_run(uint64_t cr0)
{
	return hv_caps.nested || (cr0 & CR0_PE && cr0 & CR0_PG);
}

/* May long mode begin?  Not in a code segment with the L bit, nor with a 16-bit TSS (SDM vol. 3,
 * "Initializing IA-32e Mode"). */
static bool
long_mode_may_begin(struct vcpu *v)
{
	struct vm_segment cs, tr;

	hv->get_segment(v, SEG_CS, &cs);
	hv->get_segment(v, SEG_TR, &tr);
	return (hv->get_reg(v, HV_CR4) & CR4_PAE) && !(cs.ar & SEG_AR_L) && (tr.ar & SEG_AR_TSS_32);
}

/* CR0.PG changes: sets LMA in *efer if long mode begins, and clears it if long mode ends. -E_INVAL:
 * the guest gets #GP. */
static int
switch_long_mode(struct vcpu *v, uint64_t value, uint64_t *efer)
{
	struct vm_segment cs;

	hv->get_segment(v, SEG_CS, &cs);
	if ((value & CR0_PG) && (*efer & EFER_LME)) {
		if (!long_mode_may_begin(v))
			return -E_INVAL;
		*efer |= EFER_LMA;
	} else if (!(value & CR0_PG)) {
		if ((*efer & EFER_LMA) && (cs.ar & SEG_AR_L))
			return -E_INVAL;
		*efer &= ~(uint64_t)EFER_LMA;
	}
	return 0;
}

/* A MOV to CR0 changes a bit of CR0_LOADS_PDPTES: does what goes with that.  -E_INVAL: the guest
 * gets #GP. */
static SLOW_PATH int
cr0_change_paging(struct vcpu *v, uint64_t value, uint64_t changed)
{
	uint64_t efer = hv->get_reg(v, HV_EFER);

	if ((changed & CR0_PG) && switch_long_mode(v, value, &efer) < 0)
		return -E_INVAL;
	if (!pdptes_valid(v, value, hv->get_reg(v, HV_CR3), hv->get_reg(v, HV_CR4), efer))
		return -E_INVAL;
	if (changed & CR0_PG) {
		hv->set_reg(v, HV_EFER, efer);
		gmem_forget_code(v);
	}
	return 0;
}

int
cr0_write(struct vcpu *v, uint64_t value)
{
	uint64_t changed;

	if (value >> 32)
		return -E_INVAL;
	value = (value & cr0_known) | CR0_ET;
	if ((value & CR0_PG) && !(value & CR0_PE))
		return -E_INVAL;
	if ((value & CR0_NW) && !(value & CR0_CD))
		return -E_INVAL;
	changed = value ^ hv->get_reg(v, HV_CR0);
	if ((changed & CR0_LOADS_PDPTES) && cr0_change_paging(v, value, changed) < 0)
		return -E_INVAL;
	hv->set_reg(v, HV_CR0, value);
	return 0;
}

int
cr3_write(struct vcpu *v, uint64_t value)
{
	if (value >> cpuid_phys_bits() ||
	    !pdptes_valid(v, hv->get_reg(v, HV_CR0), value, hv->get_reg(v, HV_CR4),
	                  hv->get_reg(v, HV_EFER)))
		return -E_INVAL;
	/* gmem_code_kept() compares the hardware's CR3, and with shadow paging both values may have
	 * the same root. */
	if (value != hv->get_reg(v, HV_CR3))
		gmem_forget_code(v);
	hv->set_reg(v, HV_CR3, value);
	return 0;
}

int
cr4_write(struct vcpu *v, uint64_t value)
{
	if (value & ~cr4_allowed())
		return -E_INVAL;
	if (!(value & CR4_PAE) && (hv->get_reg(v, HV_EFER) & EFER_LMA))
		return -E_INVAL;
	if (((value ^ hv->get_reg(v, HV_CR4)) & cr4_loads_pdptes) &&
	    !pdptes_valid(v, hv->get_reg(v, HV_CR0), hv->get_reg(v, HV_CR3), value,
	                  hv->get_reg(v, HV_EFER)))
		return -E_INVAL;
	hv->set_reg(v, HV_CR4, value);
	gmem_forget_code(v);
	return 0;
}

int
efer_write(struct vcpu *v, uint64_t value)
{
	uint64_t old = hv->get_reg(v, HV_EFER);
	uint64_t allowed = EFER_SCE | EFER_LME | EFER_LMA | (cpuid_has_nx() ? EFER_NXE : 0);

	if (value & ~allowed)
		return -E_INVAL;
	if (((value ^ old) & EFER_LME) && (hv->get_reg(v, HV_CR0) & CR0_PG))
		return -E_INVAL;
	hv->set_reg(v, HV_EFER, (value & ~(uint64_t)EFER_LMA) | (old & EFER_LMA));
	gmem_forget_code(v);
	return 0;
}
