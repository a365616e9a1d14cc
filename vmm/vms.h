#ifndef NESTLING_VMM_VMS_H
#define NESTLING_VMM_VMS_H

#include "kern/env.h"
#include "vmm/vmm.h"

/* The table of VMs: who has which VM and which vCPU. */

extern struct vm vms[VM_MAX]; /* those that are `used` */
/* Recalls the other CPUs that run a vCPU of the VM: they stay out of guest mode until the kernel
 * lock is released. */
void vm_hold(struct vm *vm);
/* Does an Env other than e run a vCPU of the VM, or is it about to? */
bool vm_others_run(const struct vm *vm, const struct env *e);
struct vm *vm_of(struct env *e, uint64_t id); /* NULL: no VM of e's monitor has this id */
struct vm *vm_by_id(uint64_t id);             /* NULL: no such VM, such as 0 */
struct vm *vm_at(unsigned int index);         /* index from 0 to VM_MAX - 1; NULL: none there */

/* Returns the vCPU that e drives, if it has these numbers; else NULL.  Each run of a vCPU asks. */
static inline struct vcpu *
vcpu_of(struct env *e, uint64_t vm_id, uint64_t index)
{
	struct vcpu *v = e->vcpu;

	return v && v->vm->id == vm_id && v->index == index ? v : NULL;
}

#endif
