#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "vmm/vmx/vmx.h"

/*
 * Shadow paging on VMX: an unrestricted guest needs EPT, so EPT is on while the guest has no
 * paging, and off while it has.  All of CR0 and CR4 is the hypervisor's: the guest reads the
 * shadows, and what it writes exits.
 */

void
vmx_shadow_controls(struct vcpu *v)
{
	struct vmx_vcpu *x = v->backend;

	x->cpu_controls |= CPU_CR3_LOAD_EXITING | CPU_CR3_STORE_EXITING | CPU_INVLPG_EXITING;
	vmcs_write(v, VMCS_CPU_CONTROLS, x->cpu_controls);
	vmcs_write(v, VMCS_EXCEPTION_BITMAP, vmcs_read(v, VMCS_EXCEPTION_BITMAP) | 1 << X86_PF);
	vmcs_write(v, VMCS_CR0_MASK, UINT64_MAX);
	vmcs_write(v, VMCS_CR4_MASK, UINT64_MAX);
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
	vmcs_write(v, VMCS_GUEST_CR0, vmx_cr0_hardware(hw.cr0));
	vmcs_write(v, VMCS_GUEST_CR3, hw.cr3);
	vmcs_write(v, VMCS_CR4_SHADOW, g->cr4);
	vmcs_write(v, VMCS_GUEST_CR4, vmx_cr4_hardware(hw.cr4));
	vmx_load_efer(v, hw.efer);
	v->tlb.stale |= TLB_LINEAR;
	vmx_flush_vpid(v);
}
