#include "vmm/vmx/vmx.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "lib/printf.h"
#include "vmm/shadow/shadow.h"

/*
 * The Intel back end: VMX, with EPT where the CPU has it.  SDM vol. 3, from "Introduction to
 * Virtual Machine Extensions".
 */

/* Allows VMXON on this CPU.  Returns false if the firmware has locked VMXON off. */
static bool
unlock(void)
{
	uint64_t control = rdmsr(MSR_FEATURE_CONTROL);

	if (control & FEATURE_CONTROL_LOCKED)
		return control & FEATURE_CONTROL_VMX;
	wrmsr(MSR_FEATURE_CONTROL, control | FEATURE_CONTROL_LOCKED | FEATURE_CONTROL_VMX);
	return true;
}

static int
vmx_probe(struct hv_caps *caps)
{
	if (!(cpuid(1, 0).ecx & CPUID1_ECX_VMX))
		return -E_NO_HV;
	caps->vendor = HV_VMX;
	if (!unlock()) {
		snprintf(caps->refusal, HV_CAPS_TEXT,
		         "VMX: the firmware has locked it off (IA32_FEATURE_CONTROL bit 2); "
		         "switch it on in the firmware's setup");
		return -E_NO_HV;
	}
	vmx_report(caps);
	vmcs_init_bitmap();
	return vmx_prove_controls(caps);
}

static void *vmxon_regions[CPUS_MAX];

static int
vmx_cpu_on(void)
{
	uint64_t pa;
	uint8_t failed;
	void *region;

	/* The controls were proven on the first CPU: this one must be like it. */
	if (!(cpuid(1, 0).ecx & CPUID1_ECX_VMX) || !unlock() || !vmx_controls_proven())
		return -E_NO_HV;
	region = host_page();
	if (!region)
		return -E_NO_MEM;
	pa = kva_pa(region);
	*(uint32_t *)region = rdmsr(MSR_VMX_BASIC) & 0x7fffffff;
	write_cr0(read_cr0() | CR0_NE);
	write_cr4(read_cr4() | CR4_VMXE);
	__asm__ volatile("vmxon %1; setna %0" : "=qm"(failed) : "m"(pa) : "cc", "memory");
	if (!failed) {
		vmxon_regions[this_cpu()->index] = region;
		return 0;
	}
	write_cr4(read_cr4() & ~(uint64_t)CR4_VMXE);
	host_page_free(region);
	return -E_NO_HV;
}

static void
vmx_host_pages(const struct vcpu *v, void (*fn)(const void *page))
{
	const struct vmx_vcpu *x = v ? v->backend : NULL;

	if (x) {
		fn(kva(x->vmcs));
		return;
	}
	for (unsigned int i = 0; i < CPUS_MAX; i++)
		fn(vmxon_regions[i]);
}

static int
vmx_vcpu_init(struct vcpu *v)
{
	int err = vmcs_init(v);

	if (err < 0)
		return err;
	vmcs_load(v);
	vmx_paging_controls(v);
	vmcs_put(v);
	return 0;
}

static void
vmx_vcpu_copy(struct vcpu *to, struct vcpu *from)
{
	vmcs_copy(to, from);
	if (to->shadow) {
		shadow_copy(to, from);
		vmx_shadow_load(to);
	}
}

static void
vmx_reset(struct vcpu *v)
{
	vmx_set_reg(v, HV_PAT, PAT_RESET);
	vmcs_write(v, VMCS_GUEST_DEBUGCTL, 0);
	vmcs_write(v, VMCS_GUEST_SYSENTER_CS, 0);
	vmcs_write(v, VMCS_GUEST_SYSENTER_ESP, 0);
	vmcs_write(v, VMCS_GUEST_SYSENTER_EIP, 0);
}

const struct hv_ops hv_vmx = {
        .name = "VMX",
        .traits = {.keeps_tlb = true, .exit_widens_gdt = true},
        .debug = &vmx_debug,
        .npt_format = &ept_format,
        .probe = vmx_probe,
        .cpu_on = vmx_cpu_on,
        .vcpu_init = vmx_vcpu_init,
        .reset = vmx_reset,
        .vcpu_free = vmcs_free,
        .vcpu_copy = vmx_vcpu_copy,
        .host_pages = vmx_host_pages,
        .load = vmcs_load,
        .put = vmcs_put,
        .enter = vmx_enter,
        .decode = vmx_decode,
        .skip = vmx_skip,
        .get_regs = vmx_get_regs,
        .set_regs = vmx_set_regs,
        .get_code = vmx_get_code,
        .mem_by_insn = vmx_mem_by_insn,
        .get_reg = vmx_get_reg,
        .set_reg = vmx_set_reg,
        .get_segment = vmx_get_segment,
        .take_interrupt = vmx_take_interrupt,
        .irq_ready = vmx_irq_ready,
        .irq_window = vmx_irq_window,
        .inject = vmx_inject,
        .flush = vmx_flush,
};
