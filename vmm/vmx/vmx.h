#ifndef NESTLING_VMM_VMX_VMX_H
#define NESTLING_VMM_VMX_VMX_H

/* What the files of the VMX back end share.  entry.S uses these offsets and fields. */
#define VCPU_HOST_RSP       256 /* of host_rsp in struct vcpu */
#define VCPU_BACKEND        264 /* of backend in struct vcpu */
#define VMX_LAUNCHED        8   /* of launched in struct vmx_vcpu */
#define VMCS_HOST_RSP_FIELD 0x6c14

#ifndef __ASSEMBLER__

#include "vmm/debug.h"
#include "vmm/vmm.h"

enum vmcs_field {
#define VMCS_FIELD(encoding, name) VMCS_##name = encoding,
#include "vmm/vmx/vmcs.def"
#undef VMCS_FIELD
};
_Static_assert((int)VMCS_HOST_RSP == VMCS_HOST_RSP_FIELD, "entry.S writes HOST_RSP");
_Static_assert(__builtin_offsetof(struct vcpu, host_rsp) == VCPU_HOST_RSP,
               "entry.S compares host_rsp");

/* Control bits PIN_, CPU_, CPU2_, EXITC_, ENTRY_, and EPTVPID_, BASIC_, MISC_. */
#define VMX_BIT(word, bit, name, text) \
	static const uint64_t word##_##name __attribute__((unused)) = 1ull << (bit);
#include "inc/vmxbits.def"
#undef VMX_BIT

/* Interruptibility state: SDM vol. 3, "Guest Non-Register State". */
enum {
	BLOCKED_STI = 1 << 0,
	BLOCKED_SS = 1 << 1,
	BLOCKED_SMI = 1 << 2,
	BLOCKED_NMI = 1 << 3,
	BLOCKED_ENCLAVE = 1 << 4,
	BLOCKED_STI_OR_SS = BLOCKED_STI | BLOCKED_SS,
};

/* An MSR in a list that a VM entry or a VM exit loads (SDM vol. 3, "VM-Entry Controls for MSRs").
 */
struct vmx_msr {
	uint32_t index, reserved;
	uint64_t value;
} __attribute__((aligned(16)));

struct vmx_vcpu {
	uint64_t vmcs; /* hpa */
	bool launched;
	bool clear; /* no VMPTRLD since the last VMCLEAR: no processor caches a part of the VMCS */
	uint32_t cpu_controls, entry_controls; /* as written, to save VMREADs */
	uint64_t cr0_shadow;
	/* For CPUs without the controls "Load IA32_PAT" and "Load IA32_EFER": */
	uint64_t pat;              /* the guest's PAT, which no entry loads */
	struct vmx_msr entry_efer; /* the list of MSRs that an entry loads */
};

_Static_assert(__builtin_offsetof(struct vcpu, backend) == VCPU_BACKEND &&
                       __builtin_offsetof(struct vmx_vcpu, launched) == VMX_LAUNCHED,
               "entry.S reads launched");

/* The controls that guests run with, proven by vmx_prove_controls().  On a CPU without EPT, cpu2
 * has neither "Enable EPT" nor "Unrestricted guest"; there may be no secondary controls at all. */
struct vmx_controls {
	uint32_t pin, cpu, cpu2, exit, entry;
	uint64_t ept_vpid_cap;
};
extern struct vmx_controls vmx_controls;

extern const struct hv_ops hv_vmx;
extern const struct pt_format ept_format;

/*
 * Fills in vmx_controls and caps->nested from the capability MSRs.  -E_NO_HV: a bit is missing.
 * caps->refusal names the first missing bit in one line, also if only nested paging needs it.  SDM
 * vol. 3, appendix "VMX Capability Reporting Facility".
 */
int vmx_prove_controls(struct hv_caps *caps);
/* Does this CPU report the same capabilities as the CPU on which the controls were proven? */
bool vmx_controls_proven(void);
/* Copies the capability MSRs that exist to caps. */
void vmx_report(struct hv_caps *caps);

void vmx_decode(struct vcpu *v, struct hv_exit *x);
bool vmx_mem_by_insn(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why);

/*
 * Does this CPU allow the control word `value` in this field?  If not, `must` gets a text that says
 * what the first wrong bit must be.
 */
bool vmx_control_allowed(enum vmcs_field field, uint32_t value, char *must, uint64_t size);
/* check.c: the rules that an entry checks. */
void vmx_check(struct vcpu *v, struct findings *out);
void vmx_explain(struct vcpu *v, const struct hv_exit *x, struct findings *out);
/* breaks.c */
extern const struct hv_debug vmx_debug;

/* ept.c */
uint64_t vmx_eptp(const struct vm *vm);
void vmx_flush(struct vcpu *v);      /* all translations of this VM, on this CPU */
void vmx_flush_vpid(struct vcpu *v); /* the linear ones among them */

/* events.c: see struct hv_ops */
void vmx_skip(struct vcpu *v, const struct hv_exit *x);
void vmx_take_interrupt(const struct hv_exit *x);
bool vmx_irq_ready(struct vcpu *v);
void vmx_irq_window(struct vcpu *v, bool on);
void vmx_inject(struct vcpu *v);

/* vmcs.c: the VMCS of a vCPU */
void vmcs_init_bitmap(void); /* once, before the first VMCS */
int vmcs_init(struct vcpu *v);
void vmcs_load(struct vcpu *v);
void vmcs_put(struct vcpu *v);
uint64_t vmcs_block_pa(const struct vcpu *v);
void vmcs_free(struct vcpu *v);
void vmcs_copy(struct vcpu *to, struct vcpu *from);
void vmcs_dump(struct vcpu *v, hv_print_t print);
/* Does the field exist?  Some fields exist only if a control is in use. */
bool vmcs_field_in_use(enum vmcs_field field);

/* regs.c: guest state in the VMCS */
/* Bits of CR0 that the guest writes without an exit. */
enum { VMX_CR0_GUEST_OWNED = CR0_MP | CR0_EM | CR0_TS | CR0_WP | CR0_AM };
enum { VMCS_SEGMENT_STEP = 2 }; /* the fields of segment s lie at fixed steps from ES's */
void vmx_get_regs(struct vcpu *v, struct vm_regs *r);
int vmx_set_regs(struct vcpu *v, const struct vm_regs *r);
void vmx_get_segment(struct vcpu *v, enum vm_seg s, struct vm_segment *out);
uint64_t vmx_get_reg(struct vcpu *v, enum hv_reg r);
void vmx_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value);
struct hv_code vmx_get_code(struct vcpu *v);

/* paging.c: the guest's paging registers, and what the processor runs the guest with */
void vmx_paging_controls(struct vcpu *v); /* the controls, for a new VMCS that is current */
/* Writes a control register, with nested paging. */
void vmx_set_cr(struct vcpu *v, enum hv_reg r, uint64_t value);
/* Writes EFER for the processor, and the entry control that goes with LMA. */
void vmx_load_efer(struct vcpu *v, uint64_t value);
/* Shadow paging: loads what the processor needs after the guest's paging registers changed. */
void vmx_shadow_load(struct vcpu *v);

/* entry.S: enters the guest.  Returns 0 after an exit, -1 if VMLAUNCH or VMRESUME failed. */
int vmx_enter(struct vcpu *v);
void vmx_exit_point(void);

/* A VMREAD of a field of vmcs.def cannot fail: vmcs_init() has proven that the field exists. */
static inline uint64_t
vmcs_read(struct vcpu *v, enum vmcs_field field)
{
	uint64_t value;

	v->acct.vmreads++;
	__asm__ volatile("vmread %1, %0" : "=rm"(value) : "r"((uint64_t)field) : "cc");
	return value;
}

static inline void
vmcs_write(struct vcpu *v, enum vmcs_field field, uint64_t value)
{
	v->acct.vmwrites++;
	__asm__ volatile("vmwrite %0, %1" : : "rm"(value), "r"((uint64_t)field) : "cc");
}

/* Clears BLOCKED_ bits of the interruptibility state, so that they block no events. */
static inline void
vmx_unblock(struct vcpu *v, uint32_t bits)
{
	uint64_t state = vmcs_read(v, VMCS_GUEST_INTERRUPTIBILITY);

	if (state & bits)
		vmcs_write(v, VMCS_GUEST_INTERRUPTIBILITY, state & ~(uint64_t)bits);
}

/* Does nothing if the field does not exist. */
static inline void
vmcs_write_in_use(struct vcpu *v, enum vmcs_field field, uint64_t value)
{
	if (vmcs_field_in_use(field))
		vmcs_write(v, field, value);
}

#endif
#endif
