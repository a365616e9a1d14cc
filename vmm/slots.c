#include "vmm/vmm.h"

#include "inc/x86.h"

/* The slots of a VM: which of the monitor's memory (hva) is the guest's RAM (gpa). */

const struct vm_slot *
vm_slot_find(const struct vm *vm, uint64_t gpa)
{
	const struct vm_slot *end = &vm->slots[vm->slot_count];

	for (const struct vm_slot *s = vm->slots; s < end; s++)
		if (gpa - s->gpa < s->size)
			return s;
	return NULL;
}

bool
vm_slot_large(const struct vm_slot *slot, uint64_t gpa)
{
	uint64_t start = ROUND_DOWN(gpa, LARGE_PAGE_SIZE);

	return !((slot->gpa ^ slot->hva) & (LARGE_PAGE_SIZE - 1)) && start >= slot->gpa &&
	       start + LARGE_PAGE_SIZE <= slot->gpa + slot->size;
}

bool
vm_slot_overlaps(const struct vm *vm, uint64_t gpa, uint64_t size)
{
	for (unsigned int i = 0; i < vm->slot_count; i++) {
		const struct vm_slot *s = &vm->slots[i];

		if (gpa < s->gpa + s->size && s->gpa < gpa + size)
			return true;
	}
	return false;
}

void
vm_slot_append(struct vm *vm, const struct vm_slot *slot)
{
	vm->slots[vm->slot_count] = *slot;
	/* Other vCPUs may be running: they see a slot that is complete. */
	__atomic_store_n(&vm->slot_count, vm->slot_count + 1, __ATOMIC_RELEASE);
}
