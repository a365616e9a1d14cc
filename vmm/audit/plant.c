#include "kern/audit/audit.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "vmm/shadow/shadow.h"
#include "vmm/slots.h"
#include "vmm/vmm.h"

/* Plants violations of the rules for nested page tables and shadow tables in the caller's VM. */

/* An entry that maps a page. */
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

/* Do the entries of the table map 4 KiB pages? */
static bool
is_page(const struct shadow_table *t)
{
	return (t->role & SHADOW_LEVEL) == 1;
}

static void
take_shadow_leaf(void *arg, struct shadow *s, struct shadow_table *t)
{
	struct leaf *leaf = arg;
	unsigned int i = 0;

	(void)s;
	if (!leaf->entry && is_page(t) && shadow_next(t, &i))
		*leaf = (struct leaf){shadow_leaf_gpa(t, i), &t->entry[i]};
}

/* Finds an entry that maps 4 KiB, in a shadow table if the vCPU has shadow tables. */
static bool
find_leaf(const struct vcpu *v, struct leaf *out)
{
	*out = (struct leaf){0};
	if (!v->shadow)
		return pt_visit(&v->vm->npt, 0, VM_GPA_LIMIT, take_leaf, out);
	shadow_visit(v->shadow, take_shadow_leaf, out);
	return out->entry;
}

static void
point_to(const struct leaf *leaf, uint64_t pa)
{
	audit_poke(leaf->entry, sizeof(pte_t), (*leaf->entry & ~PTE_ADDR) | pa);
}

/* Returns the monitor's own entry for the memory that the leaf maps. */
static pte_t *
host_entry(struct vm *vm, const struct leaf *leaf)
{
	const struct vm_slot *slot = vm_slot_find(vm, leaf->gpa);
	int level;

	return pt_lookup(&vm->as->pt, slot->hva + (leaf->gpa - slot->gpa), &level);
}

/* Returns the hpa of a free frame; 0 without memory. */
static uint64_t
free_frame(void)
{
	struct page *p = page_alloc(0);

	if (!p)
		return 0;
	page_unref(p);
	return page_pa(p);
}

/* The entry for the same gpa in another VM.  VMs with the same guest share the frames that they do
 * not write to. */
struct other {
	uint64_t gpa;
	pte_t *entry;
};

static void
same_in_shadow(void *arg, struct shadow *s, struct shadow_table *t)
{
	struct other *other = arg;

	(void)s;
	for (unsigned int i = 0; is_page(t) && shadow_next(t, &i); i++)
		if (shadow_leaf_gpa(t, i) == other->gpa)
			other->entry = &t->entry[i];
}

static pte_t *
entry_in(struct vm *vm, uint64_t gpa)
{
	struct other other = {gpa, NULL};
	int level;

	if (vm->vcpus[0]->shadow) {
		shadow_visit(vm->vcpus[0]->shadow, same_in_shadow, &other);
		return other.entry;
	}
	other.entry = pt_lookup(&vm->npt, gpa, &level);
	return level == 1 ? other.entry : NULL;
}

/* Makes a frame that the VM shares with another VM writable in the other VM. */
static int
plant_shared(const struct vm *vm, const struct leaf *leaf)
{
	for (unsigned int i = 0; i < VM_MAX; i++) {
		struct vm *other = vm_at(i);
		pte_t *entry = other && other != vm && other->vcpu_count
		                       ? entry_in(other, leaf->gpa)
		                       : NULL;

		if (!entry || (*entry & PTE_ADDR) != (*leaf->entry & PTE_ADDR))
			continue;
		audit_poke(entry, sizeof(pte_t), *entry | vm->npt.fmt->write);
		return 0;
	}
	return -E_NOT_FOUND;
}

/* Points the root's last entry, which is beyond what a guest can reach, at the root itself. */
static void
plant_table(const struct vm *vm)
{
	pte_t *root = kva(vm->npt.root);

	audit_poke(&root[PT_ENTRIES - 1], sizeof(*root), vm->npt.root | vm->npt.fmt->table);
}

/* Fills in an entry that counts as not in use, in the table that the leaf is in. */
static int
plant_shadow_entry(const struct vcpu *v, const struct leaf *leaf)
{
	pte_t *table = (pte_t *)ROUND_DOWN((uintptr_t)leaf->entry, PAGE_SIZE);

	if (!v->shadow)
		return -E_NO_SHADOW;
	audit_poke(&table[PT_ENTRIES - 1], sizeof(*table), *leaf->entry);
	return 0;
}

int
hv_audit_plant(struct env *e, enum audit_rule rule)
{
	struct vm *vm = e->vcpu ? e->vcpu->vm : NULL;
	struct leaf leaf;

	if (!vm)
		return -E_BAD_VM;
	if (!find_leaf(e->vcpu, &leaf))
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
		return plant_shared(vm, &leaf);
	case AUDIT_GUEST_MAPPED:
		audit_poke(&vm->mapped, sizeof(vm->mapped), vm->mapped + PAGE_SIZE);
		return 0;
	case AUDIT_NESTED_PROMISE:
		audit_poke(&vm->npt.promised, sizeof(vm->npt.promised), vm->npt.promised + 1);
		return 0;
	case AUDIT_SHADOW_ENTRY:
		return plant_shadow_entry(e->vcpu, &leaf);
	case AUDIT_TABLE:
		plant_table(vm);
		return 0;
	default:
		return -E_INVAL;
	}
}
