#include "vmm/slots.h"

#include "inc/x86.h"

/* The slots of a VM: which of the monitor's memory (hva) is the guest's RAM (gpa). */

bool
vm_slot_large(const struct vm_slot *slot, uint64_t gpa)
{
	uint64_t start = ROUND_DOWN(gpa, LARGE_PAGE_SIZE);

	return !((slot->gpa ^ slot->hva) & (LARGE_PAGE_SIZE - 1)) && start >= slot->gpa &&
	       start + LARGE_PAGE_SIZE <= slot->gpa + slot->size;
}

bool
vm_slot_overlaps(const struct vm *m, uint64_t gpa, uint64_t size)
{
	for (unsigned int i = 0; i < m->slot_count; i++) {
		const struct vm_slot *s = &m->slots[i];

		if (gpa < s->gpa + s->size && s->gpa < gpa + size)
			return true;
	}
	return false;
}

void
vm_slot_append(struct vm *m, const struct vm_slot *slot)
{
	m->slots[m->slot_count] = *slot;
	/* Other vCPUs may be running: they see a slot that is complete. */
	__atomic_store_n(&m->slot_count, m->slot_count + 1, __ATOMIC_RELEASE);
}
