#include "vmm/svm/quirks.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/trap.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/regs.h"
#include "vmm/shadow/shadow.h"

/* The AMD back end: SVM with nested paging.  APM vol. 2, "Secure Virtual Machine". */

enum {
	TLB_FLUSH_ALL = 1,
	TLB_FLUSH_ASID = 3,
	IOPM_SIZE = 3 * PAGE_SIZE,
	MSRPM_SIZE = 2 * PAGE_SIZE,
};
/* V_INTR_MASKING: the host's IF, not the guest's, decides about physical interrupts. */
#define VINTR_IRQ     (BIT(8) | 0xfull << 16 | BIT(20)) /* pending, top priority, whatever the TPR */
#define VINTR_MASKING BIT(24)

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
/* CR4 shows a bit that is not the guest's own: svm_set_cr(). */
static const uint16_t cr_reads = 1 << 4 | 1 << 8, cr_writes = 1 << 0 | 1 << 4 | 1 << 8;

const struct pt_format npt_format = {
        .name = "NPT",
        .present = PTE_P,
        .table = PTE_P | PTE_W | PTE_U,
        .large = PTE_PS,
        .write = PTE_W,
        .leaf = PTE_P | PTE_U,
};

/* All ports and all MSRs intercepted, but for the direct MSRs. */
static uint8_t iopm[IOPM_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t msrpm[MSRPM_SIZE] __attribute__((aligned(PAGE_SIZE)));

/* Per CPU: what VMRUN saves of the host, and what VMLOAD brings back. */
static struct svm_cpu {
	uint64_t save_pa, vmcb_pa;
} svm_cpus[CPUS_MAX];

/* Two bits an MSR, read and write, in three ranges of 2 KiB (APM vol. 2, "MSR Intercepts"). */
static void
msr_allow(void *arg, uint32_t msr)
{
	uint32_t base = msr < 0x2000 ? 0 : msr < 0xc0010000 ? 0x800 : 0x1000;
	uint32_t n = msr & 0x1fff;

	(void)arg;
	msrpm[base + n / 4] &= (uint8_t) ~(3u << n % 4 * 2);
}

static int
svm_probe(struct hv_caps *caps)
{
	int err = svm_prove_features(caps);

	if (err < 0)
		return err;
	caps->nested = 1;
	svm_decode_init();
	memset(iopm, 0xff, sizeof(iopm));
	memset(msrpm, 0xff, sizeof(msrpm));
	msr_for_each_direct(msr_allow, NULL);
	return 0;
}

static int
svm_cpu_on(void)
{
	struct svm_cpu *c = &svm_cpus[this_cpu()->index];
	void *save, *host;
	int err;

	if (!svm_features_proven())
		return -E_NO_HV;
	err = host_page_pair(&save, &host);
	if (err < 0)
		return err;
	c->save_pa = kva_pa(save);
	c->vmcb_pa = kva_pa(host);
	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SVME);
	wrmsr(MSR_VM_HSAVE_PA, c->save_pa);
	__asm__ volatile("vmsave %0" : : "a"(c->vmcb_pa) : "memory");
	return 0;
}

static uint64_t
image_pa(const void *p)
{
	return (uint64_t)p - KERNBASE;
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
		svm_shadow_controls(b);
}

static int
svm_vcpu_init(struct vcpu *v)
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

static void
svm_reset(struct vcpu *v)
{
	struct svm_vcpu *x = v->backend;

	memset(&x->vmcb->es, 0, sizeof(*x->vmcb) - __builtin_offsetof(struct vmcb, es));
	x->vmcb->pat = PAT_RESET;
	x->blocked_rip = SVM_NO_RIP;
}

static void
svm_vcpu_free(struct vcpu *v)
{
	struct svm_vcpu *x = v->backend;

	host_page_free(x->vmcb);
}

static void
svm_host_pages(const struct vcpu *v, void (*fn)(const void *page))
{
	const struct svm_vcpu *x = v ? v->backend : NULL;

	if (x) {
		fn(x->vmcb);
		return;
	}
	for (unsigned int i = 0; i < CPUS_MAX; i++)
		if (svm_cpus[i].save_pa) {
			fn(kva(svm_cpus[i].save_pa));
			fn(kva(svm_cpus[i].vmcb_pa));
		}
}

static void
svm_vcpu_copy(struct vcpu *to, struct vcpu *from)
{
	struct vmcb *b = svm_vmcb(to), *f = svm_vmcb(from);

	memcpy(&b->es, &f->es, sizeof(*b) - __builtin_offsetof(struct vmcb, es));
	b->intercepts1 = f->intercepts1;
	b->vintr = f->vintr;
	b->interrupt_shadow = f->interrupt_shadow;
	b->tsc_offset = f->tsc_offset;
	if (to->shadow) {
		shadow_copy(to, from);
		svm_shadow_load(to);
	}
}

/* The VMCB is in memory; VMs share the few ASIDs, so that none finds its own in the TLB. */
static void
svm_load(struct vcpu *v)
{
	(void)v;
}

/* The VMCB is in memory, and no clean bits are in use: there is nothing to write back. */
static void
svm_put(struct vcpu *v)
{
	(void)v;
}

static int
svm_enter(struct vcpu *v)
{
	struct svm_vcpu *x = v->backend;
	struct vmcb *b = x->vmcb;

	x->injected = b->event_inject;
	b->rax = v->guest.gpr[REG_RAX];
	b->cr2 = read_cr2();
	svm_enter_guest(v, x->vmcb_pa, svm_cpus[this_cpu()->index].vmcb_pa);
	write_cr2(b->cr2);
	v->guest.gpr[REG_RAX] = b->rax;
	if (quirk_is_invalid(b) && !quirk_bad_cr3_write(v))
		return -E_ENTRY;
	b->event_inject = 0;
	b->tlb_control = 0;
	return 0;
}

/* All that an instruction's end can do; apart from the common case, which needs no stack. */
static SLOW_PATH void
skip_with_effects(struct vcpu *v, const struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);

	b->rip = vcpu_rip_after(v, b->rip, x->len);
	/* Between the items of a string it stays, for the instruction goes on. */
	if (x->len)
		b->rflags &= ~(uint64_t)RFLAGS_RF;
	if (b->rflags & RFLAGS_TF) {
		v->guest.dr6 |= DR6_BS;
		inject_exception(v, X86_DB);
	}
}

static void
svm_skip(struct vcpu *v, const struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);
	uint64_t next = b->rip + x->len;

	b->interrupt_shadow = 0;
	if ((b->rflags & (RFLAGS_TF | RFLAGS_RF)) || (next ^ b->rip) >> 32)
		skip_with_effects(v, x);
	else
		b->rip = next;
}

/* The interrupt still waits at the CPU: let it in, and the kernel's own gate takes it. */
static void
svm_take_interrupt(const struct hv_exit *x)
{
	if (!x->intr.nmi) /* STGI has let those in */
		trap_let_in();
}

static bool
svm_irq_ready(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);

	return (b->rflags & RFLAGS_IF) && !(b->interrupt_shadow & 1);
}

/* A virtual interrupt that is intercepted where the guest could take it: nothing is delivered. */
static void
svm_irq_window(struct vcpu *v, bool on)
{
	struct vmcb *b = svm_vmcb(v);

	if (on)
		b->intercepts1 |= SVM_ICPT_VINTR;
	else
		b->intercepts1 &= ~(uint32_t)SVM_ICPT_VINTR;
	b->vintr = on ? VINTR_MASKING | VINTR_IRQ : VINTR_MASKING;
}

_Static_assert(HV_EVENT_VALID == 1u << 31 && HV_EVENT_HAS_ERROR == 1 << 11,
               "the event word is EVENTINJ's as well as VMX's");

static void
svm_inject(struct vcpu *v)
{
	svm_vmcb(v)->event_inject = (uint64_t)v->pending.event.error << 32 | v->pending.event.info;
}

/* VMRUN flushes. */
void
svm_flush(struct vcpu *v)
{
	struct vmcb *b = svm_vmcb(v);

	b->tlb_control = svm_features & SVM_FEATURE_FLUSH_BY_ASID ? TLB_FLUSH_ASID : TLB_FLUSH_ALL;
	if (b->tlb_control)
		v->tlb.stale = 0;
}

const struct hv_ops hv_svm = {
        .name = "SVM",
        .traits =
                {
                        .entry_switches_msrs = true,
                        /* QEMU 7.2 (TCG) does both: docs/QUIRKS.md. */
                        .entry_drops_blocking = true,
                        .pdpte_set = PTE_A,
                },
        .debug = &svm_debug,
        .npt_format = &npt_format,
        .probe = svm_probe,
        .cpu_on = svm_cpu_on,
        .vcpu_init = svm_vcpu_init,
        .reset = svm_reset,
        .vcpu_free = svm_vcpu_free,
        .vcpu_copy = svm_vcpu_copy,
        .host_pages = svm_host_pages,
        .load = svm_load,
        .put = svm_put,
        .enter = svm_enter,
        .decode = svm_decode,
        .skip = svm_skip,
        .get_regs = svm_get_regs,
        .set_regs = svm_set_regs,
        .get_code = svm_get_code,
        .mem_by_insn = svm_mem_by_insn,
        .get_reg = svm_get_reg,
        .set_reg = svm_set_reg,
        .get_segment = svm_get_segment,
        .take_interrupt = svm_take_interrupt,
        .irq_ready = svm_irq_ready,
        .irq_window = svm_irq_window,
        .inject = svm_inject,
        .flush = svm_flush,
};
