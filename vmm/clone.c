#include "vmm/vmm.h"

#include "inc/error.h"
#include "kern/env.h"
#include "kern/mem/usercopy.h"
#include "lib/string.h"

/*
 * Clones.  A monitor forks, and its child goes on with a copy of the VM.  The two share RAM
 * copy-on-write, as fork shares memory.  The clone's nested page table starts empty, so a clone
 * costs little more than the copy of the monitor's page tables.  In both VMs, the guest's TSC and
 * the devices' time go on from where they stood.  The clone's accounts start from 0.
 */

/* Copies the instruction whose access to device memory waits, if there is one. */
static void
copy_mmio(struct vcpu *to, const struct vcpu *from)
{
	const struct hv_insn *insn = from->pending.mmio.insn;

	memcpy(to->fetch.insns, from->fetch.insns, sizeof(to->fetch.insns));
	if (insn)
		to->pending.mmio.insn = &to->fetch.insns[insn - from->fetch.insns];
	to->acct.exit->rip = from->acct.exit->rip;
	to->acct.exit->len = from->acct.exit->len;
}

/* Copies the guest's state that is in memory: all but the control block. */
static void
copy_state(struct vcpu *to, const struct vcpu *from)
{
	to->guest = from->guest;
	to->pending = from->pending;
	copy_mmio(to, from);
	vcpu_request(to, from->requests & ~REQ_BREAK);
	state_copy(to, from);
	memcpy(to->run, from->run, PAGE_SIZE);
	memcpy(to->data, from->data, PAGE_SIZE);
}

/*
 * Creates a vCPU in vm that goes on where `from` stands.  e drives it; e's address space is a copy
 * of the one that the monitor of `from` has.
 */
static int
clone_vcpu(struct vm *vm, struct env *e, struct vcpu *from)
{
	/* Setup must not count as the cost of exits: save and restore the counters. */
	const uint64_t vmreads = from->acct.vmreads, vmwrites = from->acct.vmwrites;
	struct vcpu *to;
	int err;

	vcpu_unload(from);
	/* e's address space shares the run page of `from`; the new vCPU needs one of its own. */
	if ((err = aspace_unmap(e->as, from->run_va, sizeof(struct vm_run))) < 0 ||
	    (err = vcpu_new(vm, e, from->run_va)) < 0)
		return err;
	to = vm->vcpus[err];
	hv->vcpu_copy(to, from);
	hv_switch_out(); /* both are in memory now */
	copy_state(to, from);
	to->acct.vmreads = to->acct.vmwrites = 0;
	from->acct.vmreads = vmreads;
	from->acct.vmwrites = vmwrites;
	return 0;
}

/* Clones the vCPUs.  Each clone is driven by a copy of the thread that drives the original; the
 * copy of e is the child. */
static int
clone_vcpus(struct vm *vm, const struct vm *from, const struct env *e, struct env *child)
{
	int err = 0;

	for (unsigned int i = 0; err == 0 && i < from->vcpu_count; i++) {
		struct env *driver = child;

		if (from->vcpus[i]->env != e)
			err = env_copy_thread(from->vcpus[i]->env, child, &driver);
		if (err == 0)
			err = clone_vcpu(vm, driver, from->vcpus[i]);
	}
	return err;
}

/* Creates the clone of `from` for child, which is the copy of its monitor e. */
static int
clone_vm(const struct vm *from, const struct env *e, struct env *child, struct vm **out)
{
	struct vm_config config = {
	        .ram = from->ram,
	        .leaves = from->leaves,
	        .trace = from->trace,
	        .paging = from->paging,
	};
	struct vm *vm;
	int err;

	strlcpy(config.name, from->name, sizeof(config.name));
	if ((err = vm_new(child, &config, &vm)) < 0)
		return err;
	for (unsigned int i = 0; err == 0 && i < from->slot_count; i++)
		err = vm_add_slot(vm, &from->slots[i]);
	if (err == 0)
		err = clone_vcpus(vm, from, e, child);
	if (err < 0)
		vm_discard(vm);
	*out = vm;
	return err;
}

/* Forks e together with its VM.  Returns the child's process id, or -E_. */
static int64_t
fork_with_vm(struct env *e, const struct vm *from, bool sibling)
{
	struct env *child;
	struct vm *vm;
	int err;

	if ((err = env_copy(e, &child)) < 0)
		return err;
	if ((err = clone_vm(from, e, child, &vm)) < 0) {
		env_abandon(child);
		return err;
	}
	if (sibling) { /* the child of e's parent, not of e */
		child->parent = e->parent;
		child->orphan = e->orphan;
	}
	env_start(child);
	return child->id;
}

int64_t
vm_clone(struct env *e, uint64_t id, uint64_t new_id_va, bool sibling)
{
	struct vm *from = vm_of(e, id);
	uint32_t new_id = vm_next_id();
	int64_t result;

	if (!from)
		return -E_BAD_VM;
	if (vm_others_run(from, e))
		return -E_AGAIN;
	/* Comes before the copy, so that parent and child both find the id. */
	result = copy_out(e->as, new_id_va, &new_id, sizeof(new_id));
	if (result == 0)
		result = fork_with_vm(e, from, sibling);
	from->clones++;
	from->cloned = result < 0 ? (int32_t)result : (int32_t)new_id;
	return result;
}
