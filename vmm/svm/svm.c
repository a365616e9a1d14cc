#include "vmm/svm/quirks.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "vmm/shadow/shadow.h"

/* The AMD back end: SVM with nested paging.  APM vol. 2, "Secure Virtual Machine". */

static struct svm_cpu {
	uint64_t save_pa; /* hpa of the area where VMRUN saves the host's state */
	uint64_t vmcb_pa; /* hpa of the VMCB from which VMLOAD restores the rest */
} svm_cpus[CPUS_MAX];

static int
svm_probe(struct hv_caps *caps)
{
	int err = svm_prove_features(caps);

	if (err < 0)
		return err;
	caps->nested = 1;
	svm_decode_init();
	vmcb_init_maps();
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
	vmcb_copy(to, from);
	if (to->shadow) {
		shadow_copy(to, from);
		svm_shadow_load(to);
	}
}

/* The VMCB is in memory, so there is nothing to load. */
static void
svm_load(struct vcpu *v)
{
	(void)v;
}

/* The VMCB is in memory and no clean bits are in use, so there is nothing to write back. */
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
        .vcpu_init = vmcb_init,
        .reset = vmcb_reset,
        .vcpu_free = vmcb_free,
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
