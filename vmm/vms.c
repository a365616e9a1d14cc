#include "vmm/vmm.h"

#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"

/* The table of VMs: who has which VM and which vCPU. */

struct vm vms[VM_MAX];

struct vm *
vm_by_id(uint64_t id)
{
	for (unsigned int i = 0; i < VM_MAX; i++)
		if (vms[i].used && vms[i].id == id)
			return &vms[i];
	return NULL;
}

struct vm *
vm_at(unsigned int index)
{
	return vms[index].used ? &vms[index] : NULL;
}

struct vm *
vm_of(struct env *e, uint64_t id)
{
	for (unsigned int i = 0; i < VM_MAX; i++)
		if (vms[i].used && vms[i].id == id && vms[i].owner == e->leader)
			return &vms[i];
	return NULL;
}

void
vm_hold(struct vm *vm)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		struct cpu *cpu = env_cpu(vm->vcpus[i]->env);

		if (cpu && cpu != this_cpu())
			cpu_recall(cpu);
	}
}

bool
vm_others_run(const struct vm *vm, const struct env *e)
{
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		const struct env *other = vm->vcpus[i]->env;

		if (other != e && (other->guest || env_cpu(other)))
			return true;
	}
	return false;
}

unsigned int
vm_count(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < VM_MAX; i++)
		n += vms[i].used;
	return n;
}

struct vcpu *
vcpu_of(struct env *e, uint64_t vm_id, uint64_t index)
{
	struct vcpu *v = e->vcpu;

	return v && v->vm->id == vm_id && v->index == index ? v : NULL;
}
