#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/shadow/shadow.h"
#include "vmm/vmx/vmx.h"

/*
 * The guest's paging registers, with nested and with shadow paging: what the guest sees, and what
 * the processor runs it with.
 *
 * Shadow paging: an unrestricted guest needs EPT, so EPT is on while the guest has no paging, and
 * off while it has paging.  The hypervisor owns all bits of CR0 and CR4: the guest reads the read
 * shadows, and its writes exit.
 */

static void
shadow_controls(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;

	x->cpu_controls |= CPU_CR3_LOAD_EXITING | CPU_CR3_STORE_EXITING | CPU_INVLPG_EXITING;
	vmcs_write(v, VMCS_CPU_CONTROLS, x->cpu_controls);
	vmcs_write(v, VMCS_EXCEPTION_BITMAP, vmcs_read(v, VMCS_EXCEPTION_BITMAP) | 1 << X86_PF);
	vmcs_write(v, VMCS_CR0_MASK, UINT64_MAX);
	vmcs_write(v, VMCS_CR4_MASK, UINT64_MAX);
}

void
vmx_paging_controls(struct vcpu *v)
{
	vmcs_write(v, VMCS_CR0_MASK, ~(uint64_t)VMX_CR0_GUEST_OWNED);
	vmcs_write(v, VMCS_CR4_MASK, ~cr4_allowed());
	if (v->shadow)
		shadow_controls(v);
}

/* CR0 that the processor runs the guest with: VMX operation needs NE, and caches stay on. */
static uint64_t
cr0_hardware(uint64_t value)
{
	return (value & ~(uint64_t)(CR0_CD | CR0_NW)) | CR0_NE;
}

/* CR4 likewise: VMX operation needs VMXE, and machine checks are the host's. */
static uint64_t
cr4_hardware(uint64_t value)
{
	return value | CR4_VMXE | (read_cr4() & CR4_MCE);
}

void
vmx_load_efer(struct vcpu *v, uint64_t value)
{
	struct vmx_vcpu *x = v->backend;
	uint32_t entry = x->entry_controls & ~(uint32_t)ENTRY_IA32E_MODE_GUEST;

	if (value & EFER_LMA)
		entry |= ENTRY_IA32E_MODE_GUEST;
	if (entry != x->entry_controls) {
		x->entry_controls = entry;
		vmcs_write(v, VMCS_ENTRY_CONTROLS, entry);
	}
	if (vmx_controls.entry & ENTRY_LOAD_EFER)
		vmcs_write(v, VMCS_GUEST_EFER, value);
	else
		x->entry_efer.value = value;
}

/*
 * PAE paging keeps its four top entries in registers (SDM vol. 3, "PDPTE Registers").  The handler
 * found the entries valid.  Another vCPU may have changed them since: invalid entries become 0, or
 * the entry into the guest would be refused.
 */
static void
load_pdptes(struct vcpu *v)
{
	const struct vmx_vcpu *x = v->backend;
	uint64_t pdpte[PDPTES];

	if (!pdptes_used(x->cr0_shadow, vmcs_read(v, VMCS_GUEST_CR4),
	                 vmcs_read(v, VMCS_GUEST_EFER)))
		return;
	if (!pdptes_read(v, vmcs_read(v, VMCS_GUEST_CR3), pdpte))
		memset(pdpte, 0, sizeof(pdpte));
	vmcs_write(v, VMCS_GUEST_PDPTE0, pdpte[0]);
	vmcs_write(v, VMCS_GUEST_PDPTE1, pdpte[1]);
	vmcs_write(v, VMCS_GUEST_PDPTE2, pdpte[2]);
	vmcs_write(v, VMCS_GUEST_PDPTE3, pdpte[3]);
}

void
vmx_set_cr(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	struct vmx_vcpu *x = v->backend;
	bool loads = r != HV_CR0 || ((value ^ x->cr0_shadow) & CR0_LOADS_PDPTES);

	v->tlb.stale |= TLB_LINEAR;
	if (r == HV_CR0) {
		x->cr0_shadow = value;
		vmcs_write(v, VMCS_CR0_SHADOW, value);
		vmcs_write(v, VMCS_GUEST_CR0, cr0_hardware(value));
	} else if (r == HV_CR3) {
		vmcs_write(v, VMCS_GUEST_CR3, value);
	} else {
		vmcs_write(v, VMCS_CR4_SHADOW, value);
		vmcs_write(v, VMCS_GUEST_CR4, cr4_hardware(value));
	}
	if (loads)
		load_pdptes(v);
	vmx_flush_vpid(v);
}

void
vmx_shadow_load(struct vcpu *v)
{
	const struct shadow_regs *g = &v->shadow->guest;
	struct vmx_vcpu *x = v->backend;
	struct shadow_regs hw = *g;
	uint64_t cpu2 = vmx_controls.cpu2;

	if (g->cr0 & CR0_PG) {
		cpu2 &= ~(CPU2_ENABLE_EPT | CPU2_UNRESTRICTED_GUEST);
		shadow_hardware(v->shadow, &hw);
	}
	if (vmx_controls.cpu & CPU_ACTIVATE_SECONDARY_CONTROLS)
		vmcs_write(v, VMCS_CPU2_CONTROLS, cpu2);
	x->cr0_shadow = g->cr0;
	vmcs_write(v, VMCS_CR0_SHADOW, g->cr0);
	vmcs_write(v, VMCS_GUEST_CR0, cr0_hardware(hw.cr0));
	vmcs_write(v, VMCS_GUEST_CR3, hw.cr3);
	vmcs_write(v, VMCS_CR4_SHADOW, g->cr4);
	vmcs_write(v, VMCS_GUEST_CR4, cr4_hardware(hw.cr4));
	vmx_load_efer(v, hw.efer);
	v->tlb.stale |= TLB_LINEAR;
	vmx_flush_vpid(v);
}
