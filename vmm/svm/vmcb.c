#include "vmm/svm/vmcb.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/svm/svm.h"

/* The life of a VMCB: it is made, reset, copied and freed; and it orders VMRUN to flush. */

enum {
	TLB_FLUSH_ALL = 1,
	TLB_FLUSH_ASID = 3,
	IOPM_SIZE = 3 * PAGE_SIZE,
	MSRPM_SIZE = 2 * PAGE_SIZE,
};

static const uint32_t intercepts1 = SVM_ICPT_INTR | SVM_ICPT_NMI | SVM_ICPT_INIT | SVM_ICPT_RDPMC |
                                    SVM_ICPT_CPUID | SVM_ICPT_RSM | SVM_ICPT_INVD | SVM_ICPT_HLT |
                                    SVM_ICPT_INVLPGA | SVM_ICPT_IOIO | SVM_ICPT_MSR |
                                    SVM_ICPT_TASK_SWITCH | SVM_ICPT_SHUTDOWN;
static const uint32_t intercepts2 = SVM_ICPT2_VMRUN | SVM_ICPT2_VMMCALL | SVM_ICPT2_VMLOAD |
                                    SVM_ICPT2_VMSAVE | SVM_ICPT2_STGI | SVM_ICPT2_CLGI |
                                    SVM_ICPT2_SKINIT | SVM_ICPT2_RDTSCP | SVM_ICPT2_WBINVD |
                                    SVM_ICPT2_MONITOR | SVM_ICPT2_MWAIT | SVM_ICPT2_XSETBV;
/* A guest can loop in the delivery of #DB and #AC; machine checks are the host's. */
static const uint32_t exceptions = 1 << X86_DB | 1 << X86_AC | 1 << X86_MC;
/* Reads of CR4 exit, since a bit of it may be the host's: svm_set_cr(). */
static const uint16_t cr_reads = 1 << 4 | 1 << 8, cr_writes = 1 << 0 | 1 << 4 | 1 << 8;

const struct pt_format npt_format = {
        .name = "NPT",
        .present = PTE_P,
        .table = PTE_P | PTE_W | PTE_U,
        .large = PTE_PS,
        .write = PTE_W,
        .leaf = PTE_P | PTE_U,
};

/* The maps intercept all ports, and all MSRs but the direct ones. */
static uint8_t iopm[IOPM_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t msrpm[MSRPM_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Lets the guest read and write an MSR.  The map has three parts of 2 KiB, with two bits for each
 * MSR (APM vol. 2, "MSR Intercepts"). */
static void
msr_allow(void *arg, uint32_t msr)
{
	uint32_t base = msr < 0x2000 ? 0 : msr < 0xc0010000 ? 0x800 : 0x1000;
	uint32_t n = msr & 0x1fff;

	(void)arg;
	msrpm[base + n / 4] &= (uint8_t) ~(3u << n % 4 * 2);
}

void
vmcb_init_maps(void)
{
	memset(iopm, 0xff, sizeof(iopm));
	memset(msrpm, 0xff, sizeof(msrpm));
	msr_for_each_direct(msr_allow, NULL);
}

static void
shadow_controls(struct vmcb *b)
{
	b->np_enable = 0;
	b->cr_reads |= 1 << 0 | 1 << 3;
	b->cr_writes |= 1 << 3;
	b->exceptions |= 1 << X86_PF;
	b->intercepts1 |= SVM_ICPT_INVLPG;
}

static void
write_controls(struct vcpu *v, struct vmcb *b)
{
	b->cr_reads = cr_reads;
	b->cr_writes = cr_writes;
	b->dr_reads = b->dr_writes = 0xffff;
	b->exceptions = exceptions;
	b->intercepts1 = intercepts1;
	b->intercepts2 = intercepts2;
	b->iopm_pa = image_pa(iopm);
	b->msrpm_pa = image_pa(msrpm);
	b->asid = 1 + v->vm->asid % (svm_asids - 1);
	b->vintr = VINTR_MASKING;
	b->np_enable = 1;
	b->ncr3 = v->vm->npt.root;
	if (v->shadow)
		shadow_controls(b);
}

int
vmcb_init(struct vcpu *v)
{
	struct svm_vcpu *x = arena_alloc(&v->arena, sizeof(*x), sizeof(uint64_t));
	void *vmcb = x ? host_page() : NULL;

	if (!vmcb)
		return -E_NO_MEM;
	v->backend = x;
	x->vmcb = vmcb;
	x->vmcb_pa = kva_pa(vmcb);
	write_controls(v, x->vmcb);
	return 0;
}

void
vmcb_reset(struct vcpu *v)
{
	struct svm_vcpu *x = v->backend;

	memset(&x->vmcb->es, 0, sizeof(*x->vmcb) - __builtin_offsetof(struct vmcb, es));
	x->vmcb->pat = PAT_RESET;
	x->blocked_rip = SVM_NO_RIP;
}

void
vmcb_free(struct vcpu *v)
{
	struct svm_vcpu *x = v->backend;

	host_page_free(x->vmcb);
}

void
vmcb_copy(struct vcpu *to, struct vcpu *from)
{
	struct vmcb *b = svm_vmcb(to), *f = svm_vmcb(from);

	memcpy(&b->es, &f->es, sizeof(*b) - __builtin_offsetof(struct vmcb, es));
	b->intercepts1 = f->intercepts1;
	b->vintr = f->vintr;
	b->interrupt_shadow = f->interrupt_shadow;
	b->tsc_offset = f->tsc_offset;
}

void
svm_flush(struct vcpu *v)
{
	struct vmcb *b = svm_vmcb(v);

	b->tlb_control = svm_features & SVM_FEATURE_FLUSH_BY_ASID ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
	if (b->tlb_control)
		v->tlb.stale = 0;
}
