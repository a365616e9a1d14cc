#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/lock.h"
#include "kern/mem/tlb.h"
#include "lib/assert.h"
#include "vmm/shadow/shadow.h"
#include "vmm/slots.h"

/*
 * The nested page table (EPT or NPT) of a VM.  The first touch of a page maps the frame that
 * the monitor has there.  Before the monitor's address space changes an entry, it calls the
 * watcher, npt_narrow() or npt_protect(), and the entries here go.
 */

/* Returns how many tables [gpa, gpa + size) can need, the root not counted. */
static uint64_t
tables_for(uint64_t gpa, uint64_t size)
{
	uint64_t n = 0;

	for (int level = 2; level <= PT_LEVELS; level++)
		n += (gpa + size - 1) / pt_span(level) - gpa / pt_span(level) + 1;
	return n;
}

int
npt_promise(struct vm *vm, uint64_t gpa, uint64_t size)
{
	return pt_promise(&vm->npt, tables_for(gpa, size));
}

uint64_t
npt_promise_left(const struct vm *vm)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < vm->slot_count; i++)
		n += tables_for(vm->slots[i].gpa, vm->slots[i].size);
	return n - (vm->npt.tables - 1);
}

uint64_t
vm_table_pages(const struct vm *vm)
{
	uint64_t n = vm->npt.tables;

	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		if (vm->vcpus[i]->shadow)
			n += vm->vcpus[i]->shadow->pages;
	return n;
}

void
npt_free(struct vm *vm)
{
	pt_free(&vm->npt, 0, PT_ENTRIES - 1, true);
}

/*
 * Called before entries are removed or lose rights, while tlb_hold() keeps the other CPUs out of
 * guest mode.  From now on no vCPU may enter, until npt_removed() is called.
 */
static void
npt_changing(struct vm *vm)
{
	assert(vm->as->held);
	vm->tlb_gen |= TLB_CHANGING;
}

static int
npt_clear(void *arg, uint64_t gpa, int level, pte_t *entry)
{
	struct vm *vm = arg;

	(void)gpa;
	npt_changing(vm);
	vm->mapped -= pt_span(level);
	*entry = 0;
	return 0;
}

/* Called after entries were removed or lost rights.  Each vCPU flushes before its next entry. */
static void
npt_removed(struct vm *vm)
{
	vm->tlb_gen = (vm->tlb_gen & ~TLB_CHANGING) + 1;
	for (unsigned int c = 0; c < vm->vcpu_count; c++)
		vcpu_request(vm->vcpus[c], REQ_FLUSH);
}

/*
 * Makes an empty entry for gpa at `level`.  The entry that has decided about gpa so far is *entry,
 * at a higher level.  If *entry maps 2 MiB, the monitor's frame has been split since, and *entry
 * is removed.
 */
static SLOW_PATH pte_t *
npt_new_entry(struct vm *vm, uint64_t gpa, int level, pte_t *entry)
{
	if (*entry) {
		tlb_hold(vm->as);
		npt_clear(vm, gpa, 2, entry);
		npt_removed(vm);
		tlb_flush(vm->as, 0, 0); /* ends tlb_hold(); the monitor's entries are the same */
	}
	return pt_ensure_promised(&vm->npt, gpa, level);
}

static enum npt_result
npt_map(struct vm *vm, const struct vm_slot *slot, uint64_t gpa, int access)
{
	uint64_t hva = slot->hva + (gpa - slot->gpa);
	struct frame frame;
	uint64_t size;
	pte_t *entry;
	int level;

	/* Comes first: if it copies a page on a write, it calls npt_narrow(), and that clears
	 * entries of this table. */
	if (aspace_frame(vm->as, hva, access, &frame) < 0)
		return NPT_ERROR;
	entry = pt_lookup(&vm->npt, gpa, &level);
	if (level > 1) {
		int wanted = frame.size == LARGE_PAGE_SIZE && vm_slot_large(slot, gpa) ? 2 : 1;

		if (level != wanted)
			entry = npt_new_entry(vm, gpa, wanted, entry);
		level = wanted;
	}
	size = pt_span(level);
	if (!*entry)
		vm->mapped += size;
	*entry = pt_leaf(vm->npt.fmt, frame.pa + ROUND_DOWN(hva & (frame.size - 1), size),
	                 frame.writable, level == 2);
	return NPT_MAPPED;
}

/* Maps gpa, which is RAM, with the kernel lock. */
static SLOW_PATH enum npt_result
npt_fill(struct vm *vm, const struct vm_slot *slot, uint64_t gpa, uint32_t access)
{
	enum npt_result result;

	spin_lock(&kernel_lock);
	result = npt_map(vm, slot, gpa, access & VM_ACCESS_WRITE ? ACCESS_WRITE : ACCESS_READ);
	spin_unlock(&kernel_lock);
	return result;
}

enum npt_result
npt_fault(struct vm *vm, uint64_t gpa, uint32_t access)
{
	const struct vm_slot *slot = vm_slot_find(vm, gpa);

	return slot ? npt_fill(vm, slot, gpa, access) : NPT_NO_RAM;
}

static struct vm *
watching_vm(struct aspace_watcher *w)
{
	return (struct vm *)((char *)w - __builtin_offsetof(struct vm, watcher));
}

void
npt_protect(struct aspace_watcher *w)
{
	struct vm *vm = watching_vm(w);

	npt_changing(vm);
	pt_protect(&vm->npt);
	shadow_protect(vm);
	npt_removed(vm);
}

void
npt_narrow(struct aspace_watcher *w, uint64_t hva, uint64_t size)
{
	struct vm *vm = watching_vm(w);

	for (unsigned int i = 0; i < vm->slot_count; i++) {
		const struct vm_slot *s = &vm->slots[i];
		uint64_t start = hva > s->hva ? hva : s->hva;
		uint64_t end = hva + size < s->hva + s->size ? hva + size : s->hva + s->size;

		if (start >= end)
			continue;
		pt_visit(&vm->npt, s->gpa + (start - s->hva), s->gpa + (end - s->hva), npt_clear,
		         vm);
		if (vm->paging != VM_PAGING_NESTED) {
			npt_changing(vm);
			shadow_narrow(vm, s->gpa + (start - s->hva), end - start);
		}
		npt_removed(vm);
	}
}
