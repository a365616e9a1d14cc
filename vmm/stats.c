#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "lib/string.h"

/* What a VM's accounts say, for its readers: the VMs that live, and the one that ended last. */

_Static_assert(sizeof(struct vm_stats) <= PAGE_SIZE, "a mark has one page");

static struct {
	struct vm_stats stats, marked;
	uint64_t histogram[HV_EXIT_KINDS][VM_BUCKETS];
	struct vm_keys keys[ACCT_KEYED_KINDS];
	struct vm_trace trace[VM_VCPUS_MAX][VM_TRACE_DEFAULT]; /* the last ones */
	unsigned int traced[VM_VCPUS_MAX];
} ended;

static void
sum_stats(const struct vm *vm, struct vm_stats *out)
{
	uint64_t now = rdtsc();

	memset(out, 0, sizeof(*out));
	out->id = vm->id;
	strlcpy(out->name, vm->name, sizeof(out->name));
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		acct_add_stats(&vm->vcpus[i]->acct, out, now);
		out->vmreads += vm->vcpus[i]->vmreads;
		out->vmwrites += vm->vcpus[i]->vmwrites;
	}
}

static void
sum_histogram(const struct vm *vm, enum hv_exit_kind kind, uint64_t buckets[VM_BUCKETS])
{
	memset(buckets, 0, VM_BUCKETS * sizeof(buckets[0]));
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		acct_add_histogram(&vm->vcpus[i]->acct, kind, buckets);
}

static void
sum_keys(const struct vm *vm, enum hv_exit_kind kind, struct vm_keys *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		acct_add_keys(&vm->vcpus[i]->acct, kind, out);
}

static void
keep_trace(const struct vcpu *v)
{
	const struct acct *a = &v->acct;
	uint64_t from = a->total > VM_TRACE_DEFAULT ? a->total - VM_TRACE_DEFAULT : 0;
	unsigned int n = 0;

	while (n < VM_TRACE_DEFAULT && acct_trace(a, from + n, &ended.trace[v->index][n], rdtsc()))
		n++;
	ended.traced[v->index] = n;
}

void
stats_keep(const struct vm *vm)
{
	sum_stats(vm, &ended.stats);
	memset(&ended.marked, 0, sizeof(ended.marked));
	if (vm->marked)
		ended.marked = *vm->marked;
	for (unsigned int i = 0; i < HV_EXIT_KINDS; i++)
		sum_histogram(vm, i, ended.histogram[i]);
	for (unsigned int i = 0; i < ACCT_KEYED_KINDS; i++)
		sum_keys(vm, acct_keyed[i], &ended.keys[i]);
	memset(ended.traced, 0, sizeof(ended.traced));
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		keep_trace(vm->vcpus[i]);
}

/* The VM that ended last is also named by 0. */
static bool
is_ended(uint64_t id)
{
	return ended.stats.id && (id == 0 || id == ended.stats.id);
}

static int
stats_of(uint64_t id, struct vm_stats *out)
{
	const struct vm *vm = vm_by_id(id);

	if (!vm && !is_ended(id))
		return -E_BAD_VM;
	if (vm)
		sum_stats(vm, out);
	else
		*out = ended.stats;
	out->live = !!vm;
	return 0;
}

int64_t
vm_stats(struct env *e, uint64_t id, uint64_t stats_va)
{
	struct vm_stats stats;
	int err = stats_of(id, &stats);

	return err < 0 ? err : copy_out(e->as, stats_va, &stats, sizeof(stats));
}

int64_t
vm_mark(struct env *e, uint64_t id, uint64_t now_va, uint64_t before_va)
{
	struct vm *vm = vm_by_id(id);
	struct vm_stats *marked = &ended.marked;
	struct vm_stats stats;
	int err = stats_of(id, &stats);

	if (err < 0)
		return err;
	if (vm) {
		if (!vm->marked && !(vm->marked = host_page()))
			return -E_NO_MEM;
		marked = vm->marked;
	}
	if ((err = copy_out(e->as, before_va, marked, sizeof(*marked))) < 0)
		return err;
	*marked = stats;
	return copy_out(e->as, now_va, &stats, sizeof(stats));
}

int64_t
vm_histogram(struct env *e, uint64_t id, uint64_t kind, uint64_t buckets_va)
{
	const struct vm *vm = vm_by_id(id);
	uint64_t buckets[VM_BUCKETS];

	if (kind >= HV_EXIT_KINDS)
		return -E_INVAL;
	if (vm) {
		sum_histogram(vm, kind, buckets);
		return copy_out(e->as, buckets_va, buckets, sizeof(buckets));
	}
	if (!is_ended(id))
		return -E_BAD_VM;
	return copy_out(e->as, buckets_va, ended.histogram[kind], sizeof(ended.histogram[kind]));
}

int64_t
vm_keys(struct env *e, uint64_t id, uint64_t kind, uint64_t keys_va)
{
	const struct vm *vm = vm_by_id(id);
	unsigned int i = 0;
	struct vm_keys keys;

	while (i < ACCT_KEYED_KINDS && acct_keyed[i] != kind)
		i++;
	if (i == ACCT_KEYED_KINDS)
		return -E_INVAL;
	if (vm) {
		sum_keys(vm, kind, &keys);
		return copy_out(e->as, keys_va, &keys, sizeof(keys));
	}
	if (!is_ended(id))
		return -E_BAD_VM;
	return copy_out(e->as, keys_va, &ended.keys[i], sizeof(ended.keys[i]));
}

int64_t
vm_trace(struct env *e, uint64_t id, uint64_t index, uint64_t from, uint64_t trace_va)
{
	const struct vm *vm = vm_by_id(id);
	struct vm_trace trace;

	if (index >= (vm ? vm->vcpu_count : VM_VCPUS_MAX))
		return -E_INVAL;
	if (vm) {
		if (!acct_trace(&vm->vcpus[index]->acct, from, &trace, rdtsc()))
			return -E_NOT_FOUND;
		return copy_out(e->as, trace_va, &trace, sizeof(trace));
	}
	if (!is_ended(id))
		return -E_BAD_VM;
	for (unsigned int i = 0; i < ended.traced[index]; i++)
		if (ended.trace[index][i].number >= from)
			return copy_out(e->as, trace_va, &ended.trace[index][i], sizeof(trace));
	return -E_NOT_FOUND;
}
