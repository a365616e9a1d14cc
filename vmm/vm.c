#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/mem/usercopy.h"
#include "kern/step.h"
#include "lib/string.h"
#include "vmm/slots.h"

/* Virtual machines: created by a monitor process, and gone with it. */

static uint32_t next_id = 1;

const char *
vm_dump(uint64_t id)
{
	bool found = !id;

	dump_start();
	for (unsigned int i = 0; i < VM_MAX; i++) {
		if (!vms[i].used || (id && vms[i].id != id))
			continue;
		found = true;
		for (unsigned int c = 0; c < vms[i].vcpu_count; c++)
			dump_vcpu(vms[i].vcpus[c]);
	}
	return found ? hv_dump_text : NULL;
}

/* Returns the place in vms[] for a VM of the address space.  NULL: *err is -E_EXISTS or -E_NO_VM.
 */
static struct vm *
unused_vm(const struct aspace *as, int *err)
{
	struct vm *vm = NULL;

	*err = -E_NO_VM;
	for (unsigned int i = VM_MAX; i-- > 0;) {
		if (vms[i].used && vms[i].as == as) {
			*err = -E_EXISTS;
			return NULL;
		}
		if (!vms[i].used)
			vm = &vms[i];
	}
	return vm;
}

uint32_t
vm_next_id(void)
{
	return next_id;
}

int
vm_new(struct env *e, const struct vm_config *config, struct vm **out)
{
	struct vm *vm;
	int err;

	vm = unused_vm(e->as, &err);
	if (!vm)
		return err;
	memset(vm, 0, sizeof(*vm));
	if ((err = pt_init(&vm->npt, hv->npt_format)) < 0)
		return err;
	vm->used = true;
	vm->id = next_id++;
	vm->owner = e->leader;
	vm->as = e->as;
	vm->ram = config->ram;
	vm->leaves = config->leaves;
	vm->trace = config->trace;
	vm->paging = config->paging;
	vm->asid = (uint32_t)(vm - vms) + 1;
	strlcpy(vm->name, config->name, VM_NAME_MAX);
	vm->watcher.narrow = npt_narrow;
	vm->watcher.protect = npt_protect;
	aspace_watch(vm->as, &vm->watcher);
	*out = vm;
	return 0;
}

int64_t
vm_create(struct env *e, uint64_t config_va)
{
	struct vm_config config;
	struct vm *vm;
	int err;

	if (!hv)
		return -E_NO_HV;
	if ((err = copy_in(e->as, &config, config_va, sizeof(config))) < 0)
		return err;
	if (config.leaves < 1 || config.leaves > 3 || config.trace > VM_TRACE_MAX ||
	    config.paging >= VM_PAGINGS)
		return -E_INVAL;
	if (config.paging == VM_PAGING_NESTED && !hv_caps.nested)
		return -E_NO_HV;
	config.name[VM_NAME_MAX - 1] = '\0';
	err = vm_new(e, &config, &vm);
	return err < 0 ? err : (int64_t)vm->id;
}

void
vm_discard(struct vm *vm)
{
	aspace_unwatch(vm->as, &vm->watcher);
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		vcpu_delete(vm->vcpus[i]);
	npt_free(vm);
	host_page_free(vm->marked);
	vm->used = false;
}

static void
vm_end(struct vm *vm)
{
	stats_keep(vm);
	vm_discard(vm);
}

int64_t
vm_destroy(struct env *e, uint64_t id)
{
	struct vm *vm = vm_of(e, id);

	if (!vm)
		return -E_BAD_VM;
	if (vm_others_run(vm, e))
		return -E_AGAIN;
	vm_end(vm);
	return 0;
}

void
vm_env_exit(struct env *e)
{
	for (unsigned int i = 0; i < VM_MAX; i++)
		if (vms[i].used && vms[i].owner == e->id)
			vm_end(&vms[i]);
}

/* Is all of [hva, hva + size) the monitor's memory, present or promised? */
static bool
range_mapped(struct aspace *as, uint64_t hva, uint64_t size)
{
	for (uint64_t va = hva; va < hva + size;) {
		int level;

		step(STEP_SMALL);
		if (!*pt_lookup(&as->pt, va, &level))
			return false;
		va = ROUND_DOWN(va, pt_span(level)) + pt_span(level);
	}
	return true;
}

int
vm_add_slot(struct vm *vm, const struct vm_slot *slot)
{
	int err = npt_promise(vm, slot->gpa, slot->size);

	if (err < 0)
		return err;
	vm_slot_append(vm, slot);
	return 0;
}

int64_t
vm_map(struct env *e, uint64_t id, uint64_t gpa, uint64_t hva, uint64_t size)
{
	struct vm *vm = vm_of(e, id);

	if (!vm)
		return -E_BAD_VM;
	if (!size || (gpa | hva | size) % PAGE_SIZE || size > VM_GPA_LIMIT ||
	    gpa > VM_GPA_LIMIT - size || hva > ULIM || size > ULIM - hva)
		return -E_INVAL;
	if (vm->slot_count == VM_SLOTS_MAX)
		return -E_LIMIT;
	if (vm_slot_overlaps(vm, gpa, size))
		return -E_EXISTS;
	if (!range_mapped(e->as, hva, size))
		return -E_FAULT;
	return vm_add_slot(vm, &(struct vm_slot){gpa, size, hva});
}

static bool
all_halted(const struct vm *vm)
{
	unsigned int i = 0;

	while (i < vm->vcpu_count &&
	       (vcpu_requested(vm->vcpus[i], REQ_HALTED) || vm->vcpus[i]->env->wait == WAIT_HALT))
		i++;
	return i == vm->vcpu_count;
}

/* Returns the VM's state, which is vCPU 0's.  But a VM is halted only if all its vCPUs are. */
static enum vm_state
vm_state_of(const struct vm *vm)
{
	const struct vcpu *v = vm->vcpu_count ? vm->vcpus[0] : NULL;

	if (!v)
		return VM_READY;
	if (v->pending.stopped)
		return VM_STOPPED;
	if (v->env->wait == WAIT_REQUEST)
		return VM_PAUSED;
	if (all_halted(vm))
		return VM_HALTED;
	return v->env->guest || v->acct.total ? VM_RUNNING : VM_READY;
}

int64_t
vm_info(struct env *e, uint64_t index, uint64_t info_va)
{
	struct vm_info info = {0};

	for (unsigned int i = 0; i < VM_MAX; i++) {
		const struct vm *vm = &vms[i];

		if (!vm->used || index-- > 0)
			continue;
		info.id = vm->id;
		info.owner = vm->owner;
		info.state = vm_state_of(vm);
		info.vcpus = vm->vcpu_count;
		info.ram = vm->ram;
		info.mapped = vm->mapped;
		info.table_pages = vm_table_pages(vm);
		info.root = vm->npt.root;
		info.clones = vm->clones;
		info.cloned = vm->cloned;
		for (unsigned int s = 0; s < vm->slot_count; s++)
			info.shared += PAGE_SIZE *
			               aspace_shared(vm->as, vm->slots[s].hva, vm->slots[s].size);
		info.overhead = vm_overhead(vm);
		for (unsigned int c = 0; c < vm->vcpu_count; c++) {
			info.exits += vm->vcpus[c]->acct.total;
			info.ticks += env_ticks(vm->vcpus[c]->env);
		}
		if (vm->vcpu_count)
			info.wall = rdtsc() - vm->vcpus[0]->acct.created;
		strlcpy(info.name, vm->name, sizeof(info.name));
		return copy_out(e->as, info_va, &info, sizeof(info));
	}
	return -E_NOT_FOUND;
}

int64_t
hv_get_caps(struct env *e, uint64_t caps_va)
{
	return copy_out(e->as, caps_va, &hv_caps, sizeof(hv_caps));
}
