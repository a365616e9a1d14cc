#include "vmm/vmx/vmx.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/trap.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vmm/regs.h"

/*
 * The Intel back end: VMX, with EPT where the CPU has it.  SDM vol. 3, from "Introduction to
 * Virtual Machine Extensions".
 */

enum {
	EPT_R = 1,
	EPT_W = 2,
	EPT_X = 4,
	EPT_WB = 6 << 3,
	EPT_LARGE = 0x80,
	EPTP_WALK_4 = 3 << 3,
	EPTP_WB = 6,
	PENDING_SINGLE_STEP = 1 << 14,
};

const struct pt_format ept_format = {
        .name = "EPT",
        .present = EPT_R | EPT_W | EPT_X,
        .table = EPT_R | EPT_W | EPT_X,
        .large = EPT_LARGE,
        .write = EPT_W,
        .leaf = EPT_R | EPT_X | EPT_WB,
};

uint64_t
vmx_eptp(const struct vm *vm)
{
	return vm->npt.root | EPTP_WALK_4 | EPTP_WB;
}

/* False when the firmware has locked VMXON off on this CPU. */
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

	/* CPUs that are not alike would not run what was proven on the first. */
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
	vmcs_write(v, VMCS_CR0_MASK, vmx_cr0_mask());
	vmcs_write(v, VMCS_CR4_MASK, ~cr4_allowed());
	if (v->shadow)
		vmx_shadow_controls(v);
	vmcs_put(v);
	return 0;
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

/* What flags do at an instruction's end. */
static SLOW_PATH void
end_by_flags(struct vcpu *v, const struct hv_exit *x, uint64_t rflags)
{
	/* Between the items of a string it stays, for the instruction goes on. */
	if (x->len)
		vmcs_write(v, VMCS_GUEST_RFLAGS, rflags & ~(uint64_t)RFLAGS_RF);
	if (rflags & RFLAGS_TF) {
		vcpu_drop_request(v, REQ_HALTED); /* the trap ends HLT, too */
		v->pending.dead_halt = false;
		vmcs_write(v, VMCS_GUEST_PENDING_DEBUG,
		           vmcs_read(v, VMCS_GUEST_PENDING_DEBUG) | PENDING_SINGLE_STEP);
	}
}

/* All that an instruction's end can do; apart from the common case, which needs no stack. */
static SLOW_PATH void
skip_with_effects(struct vcpu *v, const struct hv_exit *x, uint64_t blocking, uint64_t rflags)
{
	vmcs_write(v, VMCS_GUEST_RIP, vcpu_rip_after(v, x->rip, x->len));
	if (blocking & BLOCKED_STI_OR_SS)
		vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY, blocking & ~(uint64_t)BLOCKED_STI_OR_SS);
	if (rflags & (RFLAGS_TF | RFLAGS_RF))
		end_by_flags(v, x, rflags);
}

static void
vmx_skip(struct vcpu *v, const struct hv_exit *x)
{
	uint64_t blocking = vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY);
	uint64_t rflags = vmcs_read(v, VMCS_GUEST_RFLAGS);
	uint64_t next = x->rip + x->len;

	if ((blocking & BLOCKED_STI_OR_SS) || (rflags & (RFLAGS_TF | RFLAGS_RF)) ||
	    (next ^ x->rip) >> 32)
		skip_with_effects(v, x, blocking, rflags);
	else
		vmcs_write(v, VMCS_GUEST_RIP, next);
}

/*
 * VMX acknowledged the interrupt on the exit: the vector is all that is left of it.  An NMI goes
 * through its gate, for it is IRET that lets the next one in (SDM vol. 3, "Updating Non-Register
 * State").
 */
static void
vmx_take_interrupt(const struct hv_exit *x)
{
	if (x->intr.nmi)
		__asm__ volatile("int %0" : : "i"(X86_NMI) : "memory");
	else
		trap_interrupt(x->intr.vector);
}

static bool
vmx_irq_ready(struct vcpu *v)
{
	return (vmcs_read(v, VMCS_GUEST_RFLAGS) & RFLAGS_IF) &&
	       !(vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY) & BLOCKED_STI_OR_SS);
}

static void
vmx_irq_window(struct vcpu *v, bool on)
{
	struct vmx_vcpu *x = v->backend;

	x->cpu_controls &= ~(uint32_t)CPU_INTERRUPT_WINDOW_EXITING;
	if (on)
		x->cpu_controls |= CPU_INTERRUPT_WINDOW_EXITING;
	vmcs_write(v, VMCS_CPU_CONTROLS, x->cpu_controls);
}

static void
vmx_inject(struct vcpu *v)
{
	vmcs_write(v, VMCS_ENTRY_INTR_INFO, v->pending.event.info);
	if (v->pending.event.info & HV_EVENT_HAS_ERROR)
		vmcs_write(v, VMCS_ENTRY_EXCEPTION_ERROR, v->pending.event.error);
	if (v->pending.event.len)
		vmcs_write(v, VMCS_ENTRY_INSTRUCTION_LENGTH, v->pending.event.len);
}

/* INVEPT and INVVPID descriptors (SDM vol. 3, "VMX Instruction Reference"). */
enum { INVEPT_SINGLE = 1, INVEPT_ALL = 2, INVVPID_SINGLE = 1, INVVPID_ALL = 2 };

void
vmx_flush_vpid(struct vcpu *v)
{
	uint64_t type =
	        vmx_controls.ept_vpid_cap & EPTVPID_INVVPID_SINGLE ? INVVPID_SINGLE : INVVPID_ALL;
	struct {
		uint64_t vpid, address;
	} descriptor = {type == INVVPID_SINGLE ? v->vm->asid : 0, 0};
	uint8_t failed = false;

	if (vmx_controls.cpu2 & CPU2_ENABLE_VPID)
		__asm__ volatile("invvpid %1, %2; setna %0"
		                 : "=qm"(failed)
		                 : "m"(descriptor), "r"(type)
		                 : "cc", "memory");
	if (failed)
		panic("INVVPID of type %lu failed, VPID %u", type, v->vm->asid);
	v->tlb.stale &= (uint8_t)~TLB_LINEAR;
}

static void
flush_ept(struct vcpu *v)
{
	uint64_t type =
	        vmx_controls.ept_vpid_cap & EPTVPID_INVEPT_SINGLE ? INVEPT_SINGLE : INVEPT_ALL;
	struct {
		uint64_t eptp, reserved;
	} descriptor = {type == INVEPT_SINGLE ? vmx_eptp(v->vm) : 0, 0};
	uint8_t failed = false;

	if (vmx_controls.cpu2 & CPU2_ENABLE_EPT)
		__asm__ volatile("invept %1, %2; setna %0"
		                 : "=qm"(failed)
		                 : "m"(descriptor), "r"(type)
		                 : "cc", "memory");
	if (failed)
		panic("INVEPT of type %lu failed, EPT pointer 0x%lx", type, descriptor.eptp);
	v->tlb.stale &= (uint8_t)~TLB_NESTED;
}

static void
vmx_flush(struct vcpu *v)
{
	flush_ept(v);
	vmx_flush_vpid(v);
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
        .vcpu_copy = vmcs_copy,
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
