#ifndef NESTLING_VMM_SLOTS_H
#define NESTLING_VMM_SLOTS_H

#include "vmm/vcpu.h"

/* The slots of a VM: which of the monitor's memory (hva) is the guest's RAM (gpa). */

/* Returns the slot that holds gpa; NULL: gpa is not RAM.  Each nested page fault asks. */
static inline const struct vm_slot *
vm_slot_find(const struct vm *m, uint64_t gpa)
{
	const struct vm_slot *end = &m->slots[m->slot_count];

	for (const struct vm_slot *s = m->slots; s < end; s++)
		if (gpa - s->gpa < s->size)
			return s;
	return NULL;
}

/* Does the slot hold all of the 2 MiB around gpa, with gpa and hva aligned alike? */
bool vm_slot_large(const struct vm_slot *slot, uint64_t gpa);
/* Does a slot of the VM overlap [gpa, gpa + size)? */
bool vm_slot_overlaps(const struct vm *m, uint64_t gpa, uint64_t size);
/* Adds a slot; there is room for it, and it overlaps no other. */
void vm_slot_append(struct vm *m, const struct vm_slot *slot);

#endif
