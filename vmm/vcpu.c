#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/sched.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/debug.h"
#include "vmm/fetch.h"
#include "vmm/gmem.h"
#include "vmm/load.h"
#include "vmm/shadow/shadow.h"

/* Virtual CPUs: creates, resets, kicks and frees them. */

_Static_assert(sizeof(struct vcpu) <= PAGE_SIZE, "a vCPU has one page");

static uint64_t last_serial;

enum { RUN_PAGES = sizeof(struct vm_run) / PAGE_SIZE };

/* Allocates the two frames of the run page, for the control fields and for data[], and maps them
 * side by side at va (hva).  -E_NO_MEM, or why nothing can be mapped there. */
static int
run_init(struct vcpu *v, struct aspace *as, uint64_t va)
{
	const uint64_t perm = PTE_W | PTE_NX | PTE_SHARE;
	struct page *control = page_alloc(PAGE_ZERO);
	struct page *data = page_alloc(PAGE_ZERO);
	int err = -E_NO_MEM;

	if (!control || !data)
		goto fail;
	if ((err = aspace_map_page(as, va, control, perm)) < 0)
		goto fail;
	if ((err = aspace_map_page(as, va + PAGE_SIZE, data, perm)) < 0) {
		aspace_unmap(as, va, PAGE_SIZE);
		goto fail;
	}
	v->run_va = va;
	v->run = kva(page_pa(control));
	v->data = kva(page_pa(data));
	return 0;
fail:
	if (control)
		page_unref(control);
	if (data)
		page_unref(data);
	return err;
}

static void
run_free(struct vcpu *v)
{
	page_unref(pa_page(kva_pa(v->run)));
	page_unref(pa_page(kva_pa(v->data)));
}

/*
 * RESET (SDM vol. 3, "Processor State After Reset").  A new vCPU starts in the same state.  INIT is
 * made by the monitor, which sets registers: the FPU, XCR0, the TSC and MSRs stay.
 */

enum { MISC_ENABLE_FAST_STRINGS = 1 << 0 };

static const struct vm_regs reset_regs = {
        .gpr[REG_RDX] = 0x600,
        .rip = 0xfff0,
        .rflags = RFLAGS_FIXED,
        .cr0 = CR0_ET | CR0_NW | CR0_CD,
        .dr6 = DR6_FIXED,
        .dr7 = DR7_FIXED,
        .gdtr_limit = 0xffff,
        .idtr_limit = 0xffff,
        .seg =
                {
                        [SEG_ES] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_CS] = {.sel = 0xf000, .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b},
                        [SEG_SS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_DS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_FS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_GS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_LDTR] = {.limit = 0xffff, .ar = 0x82},
                        [SEG_TR] = {.limit = 0xffff, .ar = 0x8b},
                },
};

/*
 * Returns the value of IA32_APIC_BASE.  In a VM with one vCPU the APIC is disabled, and CPUID does
 * not show it.  In a VM with several vCPUs the APICs are enabled for good, at the address of the
 * monitor's device model: lib/vdev/lapic.h.
 */
static uint64_t
reset_apic_base(const struct vcpu *v)
{
	uint64_t base = v->index ? 0 : APIC_BASE_BSP;

	return v->vm->vcpu_count > 1 ? base | APIC_BASE_ENABLE | APIC_BASE_GPA : base;
}

void
vcpu_take_regs(struct vcpu *v, const struct vm_regs *regs)
{
	memcpy(v->guest.gpr, regs->gpr, sizeof(v->guest.gpr));
	v->guest.cr2 = regs->cr2;
	v->guest.cr8 = regs->cr8;
	v->guest.dr6 = (regs->dr6 & DR6_WRITABLE) | DR6_FIXED;
	memcpy(v->guest.dr, regs->dr, sizeof(v->guest.dr));
	state_load_dr(v);
	v->pending = (struct vcpu_pending){0};
	vcpu_drop_request(v, REQ_EVENT | REQ_HELD_IRQ | REQ_HALTED);
	gmem_forget_code(v);
	/* The monitor may have written to watched page tables as well, without a fault. */
	if (v->shadow)
		shadow_unwatch(v->shadow, 0, UINT64_MAX);
}

int
vcpu_reset(struct vcpu *v)
{
	/* A reset must not count as the cost of an exit: save and restore the counters. */
	const uint64_t vmreads = v->acct.vmreads, vmwrites = v->acct.vmwrites;
	int err;

	vcpu_unload(v);
	state_reset(v);
	v->guest = (struct vcpu_guest){
	        .xcr0 = XCR0_X87,
	        .apic_base = reset_apic_base(v),
	        .misc_enable = MISC_ENABLE_FAST_STRINGS,
	};
	vcpu_current(v);
	hv->reset(v);
	if (v->shadow)
		shadow_reset(v);
	v->guest.tsc_offset = v->index ? v->vm->vcpus[0]->guest.tsc_offset : -(int64_t)rdtsc();
	hv->set_reg(v, HV_TSC_OFFSET, (uint64_t)v->guest.tsc_offset);
	vcpu_take_regs(v, &reset_regs);
	err = hv->set_regs(v, &reset_regs);
	/* Without nested paging v cannot run in real mode: vcpu_set_regs() must come first. */
	v->pending.stopped = !hv_caps.nested;
	v->acct.vmreads = vmreads;
	v->acct.vmwrites = vmwrites;
	return err;
}

/* A second vCPU makes the APICs of all vCPUs visible. */
static void
show_apics(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		vm->vcpus[i]->guest.apic_base = reset_apic_base(vm->vcpus[i]);
}

static int
vcpu_init(struct vcpu *v)
{
	int err = state_init(v);

	if (err == 0 && v->vm->paging != VM_PAGING_NESTED)
		err = shadow_init(v);
	if (err < 0)
		return err;
	if ((err = hv->vcpu_init(v)) < 0)
		goto fail;
	if ((err = vcpu_reset(v)) == 0)
		return 0;
fail:
	shadow_free(v);
	return err;
}

/* Frees the arena of v, in which v itself lies. */
static void
vcpu_release(struct vcpu *v)
{
	struct arena arena = v->arena;

	arena_free(&arena);
}

int
vcpu_new(struct vm *vm, struct env *e, uint64_t run_va)
{
	struct arena arena = {0};
	struct vcpu *v = arena_alloc(&arena, sizeof(*v), _Alignof(struct vcpu));
	int err;

	if (!v)
		return -E_NO_MEM;
	hv_switch_out();
	v->arena = arena;
	v->vm = vm;
	v->env = e;
	v->index = vm->vcpu_count;
	v->loaded_cpu = -1;
	v->tlb.flushed = TLB_UNKNOWN;
	v->tlb.serial = ++last_serial;
	fetch_init(v);
	v->requests = REQ_FLUSH;
	if ((err = run_init(v, e->as, run_va)) < 0) {
		vcpu_release(v);
		return err;
	}
	err = acct_init(&v->acct, vm->trace, rdtsc());
	if (err == 0 && (err = vcpu_init(v)) < 0)
		acct_free(&v->acct);
	if (err < 0) {
		aspace_unmap(e->as, run_va, sizeof(struct vm_run));
		run_free(v);
		vcpu_release(v);
		return err;
	}
	v->acct.vmreads = v->acct.vmwrites = 0; /* setup is not the cost of an exit */
	e->vcpu = v;
	vm->vcpus[v->index] = v;
	/* Comes when v is complete: exits of the other vCPUs look at all vCPUs. */
	__atomic_store_n(&vm->vcpu_count, v->index + 1, __ATOMIC_RELEASE);
	if (v->index)
		show_apics(vm);
	return (int)v->index;
}

void
vcpu_delete(struct vcpu *v)
{
	vcpu_unload(v);
	assert(v->loaded_cpu < 0);
	v->env->vcpu = NULL;
	hv->vcpu_free(v);
	shadow_free(v);
	run_free(v);
	acct_free(&v->acct);
	vcpu_release(v);
}

void
vcpu_pages(const struct vcpu *v, void (*fn)(const void *page))
{
	arena_pages(&v->arena, fn);
	fn(v->run);
	fn(v->data);
	acct_pages(&v->acct, fn);
	hv->host_pages(v, fn);
}
