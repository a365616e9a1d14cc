#ifndef NESTLING_VMM_SVM_SVM_H
#define NESTLING_VMM_SVM_SVM_H

#ifndef __ASSEMBLER__

#include "lib/insn/insn.h"
#include "vmm/debug.h"
#include "vmm/svm/vmcb.h"
#include "vmm/vmm.h"

/* What the files of the SVM back end share. */

/* Intercepts (APM vol. 2, appendix "Layout of VMCB", offsets 00Ch and 010h). */
enum {
	SVM_ICPT_INTR = 1 << 0,
	SVM_ICPT_NMI = 1 << 1,
	SVM_ICPT_INIT = 1 << 3,
	SVM_ICPT_VINTR = 1 << 4,
	SVM_ICPT_RDPMC = 1 << 15,
	SVM_ICPT_CPUID = 1 << 18,
	SVM_ICPT_RSM = 1 << 19,
	SVM_ICPT_INVD = 1 << 22,
	SVM_ICPT_HLT = 1 << 24,
	SVM_ICPT_INVLPG = 1 << 25,
	SVM_ICPT_INVLPGA = 1 << 26,
	SVM_ICPT_IOIO = 1 << 27,
	SVM_ICPT_MSR = 1 << 28,
	SVM_ICPT_TASK_SWITCH = 1 << 29,
};
#define SVM_ICPT_SHUTDOWN 0x80000000u
enum {
	SVM_ICPT2_VMRUN = 1 << 0,
	SVM_ICPT2_VMMCALL = 1 << 1,
	SVM_ICPT2_VMLOAD = 1 << 2,
	SVM_ICPT2_VMSAVE = 1 << 3,
	SVM_ICPT2_STGI = 1 << 4,
	SVM_ICPT2_CLGI = 1 << 5,
	SVM_ICPT2_SKINIT = 1 << 6,
	SVM_ICPT2_RDTSCP = 1 << 7,
	SVM_ICPT2_WBINVD = 1 << 9,
	SVM_ICPT2_MONITOR = 1 << 10,
	SVM_ICPT2_MWAIT = 1 << 11,
	SVM_ICPT2_XSETBV = 1 << 13,
};

/* In vmcb.vintr: the host's IF, not the guest's, decides about the host's interrupts. */
#define VINTR_MASKING BIT(24)

/* Features: SVM_NAME of inc/svmbits.def, CPUID 8000000Ah EDX. */
#define SVM_BIT(bit, name, text) \
	static const uint32_t SVM_FEATURE_##name __attribute__((unused)) = 1u << (bit);
#include "inc/svmbits.def"
#undef SVM_BIT

enum { SVM_EXIT_CR3_WRITE = 0x13 };
#define SVM_NO_RIP UINT64_MAX

struct svm_vcpu {
	struct vmcb *vmcb;
	uint64_t vmcb_pa;
	uint64_t injected; /* EVENTINJ as it was at the last VMRUN */
	/* RIP of the last instruction that exited, by a page fault or a host interrupt, while STI
	 * or MOV SS blocked interrupts for it; SVM_NO_RIP: none. */
	uint64_t blocked_rip;
	unsigned int blocked_again; /* how often blocking was put back at blocked_rip */
	uint8_t copy[VMCB_USED] __attribute__((aligned(8))); /* quirk_keep_vmcb() */
};
_Static_assert(sizeof(struct svm_vcpu) <= PAGE_SIZE, "it has one page");

extern const struct hv_ops hv_svm;
extern const struct pt_format npt_format;

/* caps.c */
extern uint32_t svm_features; /* CPUID 8000000Ah EDX */
extern uint32_t svm_asids;    /* EBX: the number of ASIDs, with the host's, which is 0 */
/* Reads the features of this CPU.  -E_NO_HV: one that is needed is missing; caps->refusal says
 * which. */
int svm_prove_features(struct hv_caps *caps);
/* Does this CPU report the same features as the first one?  Guests move between CPUs. */
bool svm_features_proven(void);

/* check.c: the rules that VMRUN checks. */
void svm_check(struct vcpu *v, struct findings *out);
void svm_explain(struct vcpu *v, const struct hv_exit *x, struct findings *out);
/* breaks.c */
extern const struct hv_debug svm_debug;

void svm_decode_init(void);
void svm_decode(struct vcpu *v, struct hv_exit *x);
bool svm_mem_by_insn(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why);

/* operands.c: fill in the operands of the instruction that exited, and where SVM has not recorded
 * it, its length.  False: the instruction cannot be read, or is not what the exit says. */
bool svm_cr_operands(struct vcpu *v, struct hv_exit *x);
bool svm_dr_operands(struct vcpu *v, struct hv_exit *x);
bool svm_invlpg_operand(struct vcpu *v, struct hv_exit *x);
bool svm_string_operand(struct vcpu *v, struct hv_exit *x); /* INS and OUTS */

static inline struct vmcb *
svm_vmcb(struct vcpu *v)
{
	return ((struct svm_vcpu *)v->backend)->vmcb;
}

/* regs.c: guest state in the VMCB */
struct hv_code svm_get_code(struct vcpu *v);
void svm_get_regs(struct vcpu *v, struct vm_regs *r);
int svm_set_regs(struct vcpu *v, const struct vm_regs *r);
void svm_get_segment(struct vcpu *v, enum vm_seg s, struct vm_segment *out);
uint64_t svm_get_reg(struct vcpu *v, enum hv_reg r);
void svm_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value);

/* paging.c: the guest's paging registers, and what the processor runs the guest with */
/* Writes a control register, with nested paging. */
void svm_set_cr(struct vcpu *v, enum hv_reg r, uint64_t value);
/* Shadow paging: loads what the processor needs after the guest's paging registers changed. */
void svm_shadow_load(struct vcpu *v);

/* dump.c */
void svm_dump(struct vcpu *v, hv_print_t print);

/* vmcb.c: the VMCB of a vCPU; see struct hv_ops */
void vmcb_init_maps(void); /* once, before the first VMCB */
int vmcb_init(struct vcpu *v);
void vmcb_reset(struct vcpu *v);
void vmcb_free(struct vcpu *v);
void vmcb_copy(struct vcpu *to, struct vcpu *from);
void svm_flush(struct vcpu *v);

/* events.c: see struct hv_ops */
void svm_skip(struct vcpu *v, const struct hv_exit *x);
void svm_take_interrupt(const struct hv_exit *x);
bool svm_irq_ready(struct vcpu *v);
void svm_irq_window(struct vcpu *v, bool on);
void svm_inject(struct vcpu *v);

/* entry.S: runs the guest with v's registers; returns after the #VMEXIT, with GIF set. */
void svm_enter_guest(struct vcpu *v, uint64_t vmcb_pa, uint64_t host_vmcb_pa);

#endif
#endif
