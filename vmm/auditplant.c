#include "kern/audit.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "vmm/vmm.h"

/*
 * Violations of the rules for nested page tables, planted in the caller's VM.  Its guest cannot
 * run meanwhile: the caller drives it.
 */

struct leaf {
	uint64_t gpa;
	pte_t *entry;
};

/* Ends the walk at a 4 KiB entry that is present. */
static int
take_leaf(void *arg, uint64_t gpa, int level, pte_t *entry)
{
	if (level != 1)
		return 0;
	*(struct leaf *)arg = (struct leaf){gpa, entry};
	return 1;
}

static bool
find_leaf(struct vm *vm, struct leaf *out)
{
	return pt_visit(&vm->npt, 0, VM_GPA_LIMIT, take_leaf, out);
}

static void
point_to(const struct leaf *leaf, uint64_t pa)
{
	audit_poke(leaf->entry, sizeof(pte_t), (*leaf->entry & ~PTE_ADDR) | pa);
}

/* The host's entry for the memory behind the leaf. */
static pte_t *
host_entry(struct vm *vm, const struct leaf *leaf)
{
	const struct vm_slot *slot = vm_slot_find(vm, leaf->gpa);
	int level;

	return pt_lookup(&vm->as->pt, slot->hva + (leaf->gpa - slot->gpa), &level);
}

static uint64_t
free_frame(void)
{
	struct page *p = page_alloc(0);

	if (!p)
		return 0;
	page_unref(p);
	return page_pa(p);
}

/* The frame of another VM that this one shares, now writable here: find a leaf that both have. */
struct other {
	struct vm *vm;
	pte_t *entry;
};

static int
same_in_other(void *arg, uint64_t gpa, int level, pte_t *entry)
{
	struct other *other = arg;
	int there;
	pte_t e = *pt_lookup(&other->vm->npt, gpa, &there);

	if (level != 1 || there != 1 || (e & PTE_ADDR) != (*entry & PTE_ADDR))
		return 0;
	other->entry = entry;
	return 1;
}

static int
plant_shared(struct vm *vm)
{
	struct other other = {0};

	for (unsigned int i = 0; i < VM_MAX && !other.entry; i++) {
		other.vm = vm_at(i);
		if (other.vm && other.vm != vm)
			pt_visit(&vm->npt, 0, VM_GPA_LIMIT, same_in_other, &other);
	}
	if (!other.entry)
		return -E_NOT_FOUND;
	audit_poke(other.entry, sizeof(pte_t), *other.entry | vm->npt.fmt->write);
	return 0;
}

/* Beyond what a guest can reach, the root leads back to itself. */
static void
plant_table(const struct vm *vm)
{
	pte_t *root = kva(vm->npt.root);

	audit_poke(&root[PT_ENTRIES - 1], sizeof(*root), vm->npt.root | vm->npt.fmt->table);
}

int
hv_audit_plant(struct env *e, enum audit_rule rule)
{
	struct vm *vm = e->vcpu ? e->vcpu->vm : NULL;
	struct leaf leaf;

	if (!vm)
		return -E_BAD_VM;
	if (!find_leaf(vm, &leaf))
		return -E_NOT_FOUND;
	switch (rule) {
	case AUDIT_GUEST_KERNEL:
		point_to(&leaf, kva_pa(e->vcpu));
		return 0;
	case AUDIT_GUEST_TABLE:
		point_to(&leaf, vm->npt.root);
		return 0;
	case AUDIT_GUEST_FREE:
		point_to(&leaf, free_frame());
		return 0;
	case AUDIT_GUEST_NO_RAM:
		point_to(&leaf, 0xb8000);
		return 0;
	case AUDIT_GUEST_OTHER:
		point_to(&leaf, kva_pa(e->vcpu->run));
		return 0;
	case AUDIT_GUEST_WRITE:
		audit_poke(leaf.entry, sizeof(pte_t), *leaf.entry | vm->npt.fmt->write);
		audit_poke(host_entry(vm, &leaf), sizeof(pte_t),
		           *host_entry(vm, &leaf) & ~(pte_t)PTE_W);
		return 0;
	case AUDIT_GUEST_SHARED:
		return plant_shared(vm);
	case AUDIT_GUEST_MAPPED:
		audit_poke(&vm->mapped, sizeof(vm->mapped), vm->mapped + PAGE_SIZE);
		return 0;
	case AUDIT_NESTED_PROMISE:
		audit_poke(&vm->tables_promised, sizeof(vm->tables_promised),
		           vm->tables_promised + 1);
		return 0;
	case AUDIT_TABLE:
		plant_table(vm);
		return 0;
	default:
		return -E_INVAL;
	}
}
