#include "vmm/shadow/shadow.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/lock.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/quirks.h"
#include "vmm/slots.h"
#include "vmm/vmm.h"

/* Shadow paging of a vCPU: page faults fill its tables, and other events empty them. */

/* The top entries of PAE paging, by VM and vCPU.  CR3 outside long mode can only point below 4 GiB,
 * where the kernel's image is; a vCPU's own pages may be elsewhere. */
static pte_t pdptes[VM_MAX][VM_VCPUS_MAX][SHADOW_PDPTES] __attribute__((aligned(32)));

int
shadow_init(struct vcpu *v)
{
	struct shadow *s = arena_alloc(&v->arena, sizeof(*s), _Alignof(struct shadow));
	int err;

	if (!s)
		return -E_NO_MEM;
	if ((err = shadow_pool_init(s)) < 0)
		return err;
	for (unsigned int i = 0; i < v->index; i++)
		shadow_unwatch(v->vm->vcpus[i]->shadow, 0, UINT64_MAX);
	s->keeps = v->vm->paging == VM_PAGING_SHADOW;
	s->pae.role = PT_LEVELS - 1;
	s->pae.entry = pdptes[v->vm->asid - 1][v->index];
	s->pae.from = s->pae_from;
	memset(s->pae.entry, 0, sizeof(pdptes[0][0]));
	s->root = &s->pae;
	v->shadow = s;
	return 0;
}

void
shadow_free(struct vcpu *v)
{
	if (!v->shadow)
		return;
	shadow_pool_free(v->shadow);
	v->shadow = NULL;
}

uint64_t
shadow_get_reg(const struct vcpu *v, enum hv_reg r)
{
	const struct shadow_regs *g = &v->shadow->guest;

	switch (r) {
	case HV_CR0:
		return g->cr0;
	case HV_CR3:
		return g->cr3;
	case HV_CR4:
		return g->cr4;
	case HV_EFER:
		return g->efer;
	default:
		panic("shadow_get_reg: register %d is not for paging", r);
	}
}

/*
 * The guest empties its TLB: drops the entries that differ from its tables.  The caller flushes the
 * processor's TLB when it writes the hardware's registers.  If paging is and was off, no entry
 * depends on guest memory.
 */
static void
reload(struct vcpu *v)
{
	struct shadow *s = v->shadow;

	if (!s->role && !(s->guest.cr0 & CR0_PG))
		return;
	spin_lock(&kernel_lock);
	shadow_reload(v);
	spin_unlock(&kernel_lock);
}

/* Which changes empty the TLB: SDM vol. 3, "Operations that Invalidate TLBs and Paging-Structure
 * Caches". */
void
shadow_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value)
{
	struct shadow_regs *g = &v->shadow->guest;
	uint64_t changed;

	switch (r) {
	case HV_CR0:
		changed = (g->cr0 ^ value) & (CR0_PG | CR0_WP);
		g->cr0 = value;
		break;
	case HV_CR3:
		changed = true;
		g->cr3 = value;
		break;
	case HV_CR4:
		changed = (g->cr4 ^ value) & (CR4_PSE | CR4_PAE | CR4_PGE | CR4_SMEP | CR4_SMAP);
		g->cr4 = value;
		break;
	case HV_EFER:
		changed = (g->efer ^ value) & (EFER_LMA | EFER_NXE);
		g->efer = value;
		break;
	default:
		panic("shadow_set_reg: register %d is not for paging", r);
	}
	if (changed)
		reload(v);
}

void
shadow_reset(struct vcpu *v)
{
	v->shadow->guest = (struct shadow_regs){0};
	shadow_reload(v);
}

void
shadow_copy(struct vcpu *to, const struct vcpu *from)
{
	to->shadow->guest = from->shadow->guest;
	shadow_reload(to);
}

/* Flushes the processor's TLB: it may hold shadow entries that are gone. */
static void
flush(struct vcpu *v)
{
	v->tlb.stale |= TLB_LINEAR;
	hv->flush(v);
}

void
shadow_invlpg(struct vcpu *v, uint64_t gva)
{
	bool gone;

	spin_lock(&kernel_lock);
	gone = shadow_unmap(v, gva);
	spin_unlock(&kernel_lock);
	if (gone)
		flush(v);
}

/*
 * Returns the rights of the entry for an access that the guest's tables permit.  A clean page is
 * not writable, so that its first write faults, too, and makes it dirty.
 *
 * With CR0.WP clear, the guest's supervisor may write to read-only pages, but the processor runs
 * the guest with CR0.WP set.  So such a write makes the page writable for the supervisor and takes
 * it from user code, until user code touches it.
 */
static pte_t
leaf_of(const struct vcpu *v, const struct gmem_page *page, uint32_t access)
{
	bool write = access & VM_ACCESS_WRITE;
	bool forced = write && !page->writable;
	bool nx = page->nx || (forced && page->user && (v->shadow->guest.cr4 & CR4_SMEP));
	bool writable = write || (page->writable && page->dirty);

	return PTE_P | PTE_A | PTE_D | (writable ? PTE_W : 0) |
	       (page->user && !forced ? PTE_U : 0) | (nx ? PTE_NX : 0);
}

/* Returns `leaf` without the right to write if the page at gpa is a watched table of the guest's; a
 * write ends the watch instead.  Clears *large if a 2 MiB page has a watched table in it. */
static pte_t
unless_watched(struct shadow *s, uint64_t gpa, uint32_t access, pte_t leaf, bool *large)
{
	uint64_t page = ROUND_DOWN(gpa, PAGE_SIZE);

	if (!(leaf & PTE_W) || !s->watched)
		return leaf;
	if (*large && shadow_watches(s, ROUND_DOWN(gpa, LARGE_PAGE_SIZE), LARGE_PAGE_SIZE))
		*large = false;
	if (*large || !shadow_watches(s, page, PAGE_SIZE))
		return leaf;
	if (access & VM_ACCESS_WRITE)
		shadow_unwatch(s, page, PAGE_SIZE);
	else
		leaf &= ~(pte_t)PTE_W;
	return leaf;
}

enum fill { FILLED, FILLED_FLUSH, FILL_NO_MEMORY };

static enum fill
fill_locked(struct vcpu *v, const struct vm_slot *slot, uint64_t gva, const struct gmem_page *page,
            uint32_t access)
{
	uint64_t hva = slot->hva + (page->gpa - slot->gpa);
	pte_t leaf = leaf_of(v, page, access);
	bool may_write = leaf & PTE_W;
	struct frame frame;
	bool large;

	if (aspace_frame(v->vm->as, hva, access & VM_ACCESS_WRITE ? ACCESS_WRITE : ACCESS_READ,
	                 &frame) < 0)
		return FILL_NO_MEMORY;
	if (!frame.writable)
		leaf &= ~(pte_t)PTE_W;
	large = page->span >= LARGE_PAGE_SIZE && frame.size == LARGE_PAGE_SIZE &&
	        vm_slot_large(slot, page->gpa);
	leaf = unless_watched(v->shadow, page->gpa, access, leaf, &large) | frame.pa;
	if (large)
		leaf |= PTE_PS;
	else
		leaf += hva & (frame.size - 1) & PTE_ADDR;
	return shadow_map(v, gva, leaf, may_write, page) ? FILLED_FLUSH : FILLED;
}

static enum hv_action
fill(struct vcpu *v, const struct vm_slot *slot, uint64_t gva, const struct gmem_page *page,
     uint32_t access)
{
	enum fill filled;

	spin_lock(&kernel_lock);
	filled = fill_locked(v, slot, gva, page, access);
	spin_unlock(&kernel_lock);
	if (filled == FILL_NO_MEMORY)
		return vcpu_no_frame(v, page->gpa, access);
	if (filled == FILLED_FLUSH)
		flush(v);
	quirk_keep_blocking(v);
	return HV_RESUME;
}

/* Injects the page fault that the guest's tables cause.  In the delivery of #PF it becomes #DF, and
 * in the delivery of #DF a triple fault. */
static enum hv_action
guest_fault(struct vcpu *v, struct hv_exit *x, const struct gmem_fault *f, uint32_t access)
{
	uint32_t first = v->pending.event.info & (HV_EVENT_VALID | HV_EVENT_TYPE | 0xff);

	if (f->kind != GMEM_PF)
		return vcpu_no_memory(v, f->gpa, access, VM_MEM_TABLES);
	if (first == (HV_EVENT_VALID | HV_EVENT_EXCEPTION | X86_DF))
		return exit_triple_fault(v, x);
	inject_page_fault(v, f->gva, f->error);
	if (first == (HV_EVENT_VALID | HV_EVENT_EXCEPTION | X86_PF))
		inject_exception_error(v, X86_DF, 0);
	return HV_RESUME;
}

/* Hands an access to device memory to the monitor.  Only the instruction at RIP may make one: see
 * mmio.c. */
static enum hv_action
device_access(struct vcpu *v, struct hv_exit *x)
{
	if (v->pending.event.info & HV_EVENT_VALID)
		return vcpu_no_memory(v, x->mem.gpa, x->mem.access, VM_MEM_EVENT);
	if (x->mem.access & VM_ACCESS_EXEC)
		return vcpu_no_memory(v, x->mem.gpa, x->mem.access, VM_MEM_CODE);
	return mmio_access(v, x);
}

enum hv_action
shadow_fault(struct vcpu *v, struct hv_exit *x)
{
	uint32_t error = x->intr.event.error;
	uint32_t access = error & PF_W   ? VM_ACCESS_WRITE
	                  : error & PF_I ? VM_ACCESS_EXEC
	                                 : VM_ACCESS_READ;
	const struct vm_slot *slot;
	struct gmem_page page;
	struct gmem_fault f;
	uint64_t gva = x->qual;

	if (gmem_page(v, gva, access, error & PF_U, &page, &f) < 0)
		return guest_fault(v, x, &f, access);
	slot = vm_slot_find(v->vm, page.gpa);
	if (slot)
		return fill(v, slot, gva, &page, access);
	x->mem.gpa = page.gpa;
	x->mem.access = access;
	return device_access(v, x);
}

void
shadow_narrow(struct vm *vm, uint64_t gpa, uint64_t size)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i]->shadow)
			shadow_forget(vm->vcpus[i]->shadow, gpa, size);
}

void
shadow_protect(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i]->shadow)
			shadow_protect_all(vm->vcpus[i]->shadow);
}
