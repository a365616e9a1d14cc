#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/env.h"
#include "kern/mem/usercopy.h"
#include "lib/string.h"

/*
 * The system calls that read accounts: of the VMs that live, and of the VM_KEPT VMs that
 * ended last.
 */

_Static_assert(sizeof(struct vm_stats) <= PAGE_SIZE, "a mark has one page");

/* VMs that have ended. */
static struct ended {
	uint32_t id; /* 0: no VM */
	char name[VM_NAME_MAX];
	unsigned int vcpus;
	struct acct acct[VM_VCPUS_MAX];
	uint64_t at; /* TSC when the VM ended */
	uint64_t table_pages;
	struct vm_stats marked;
} ended[VM_KEPT]; /* a ring */
static unsigned int ended_last;

/* The accounts of a VM that lives or has ended.  The reader asks for the vCPUs [first, end). */
struct accounts {
	uint32_t id;
	bool live;
	const char *name;
	unsigned int vcpus, first, end;
	uint64_t now;
	const struct acct *acct[VM_VCPUS_MAX];
	uint64_t table_pages;
};

/* Allocates accounts of no VM.  stats_keep() replaces the oldest accounts, so that the host has as
 * much memory after a VM as before, even after the first one. */
void
stats_init(void)
{
	for (unsigned int i = 0; i < VM_KEPT; i++)
		ended[i].vcpus = acct_init(&ended[i].acct[0], 0, 0) == 0;
}

void
stats_pages(void (*fn)(const void *page))
{
	for (const struct ended *k = ended; k < ended + VM_KEPT; k++)
		for (unsigned int i = 0; i < k->vcpus; i++)
			acct_pages(&k->acct[i], fn);
}

void
stats_keep(struct vm *vm)
{
	struct ended *k;

	if (!vm->vcpu_count) /* it never ran */
		return;
	ended_last = (ended_last + 1) % VM_KEPT;
	k = &ended[ended_last];
	for (unsigned int i = 0; i < k->vcpus; i++)
		acct_free(&k->acct[i]);
	memset(k, 0, sizeof(*k));
	k->id = vm->id;
	strlcpy(k->name, vm->name, sizeof(k->name));
	k->at = rdtsc();
	k->vcpus = vm->vcpu_count;
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		struct vcpu *v = vm->vcpus[i];

		k->acct[i] = v->acct;
		memset(&v->acct, 0, sizeof(v->acct));
	}
	k->table_pages = vm_table_pages(vm);
	if (vm->marked)
		k->marked = *vm->marked;
}

/* Recalls vCPUs that run on other CPUs: their accounts stand still then. */
static void
accounts_of_vm(struct vm *vm, struct accounts *out)
{
	vm_hold(vm);
	*out = (struct accounts){.id = vm->id, .live = true, .name = vm->name, .now = rdtsc()};
	out->vcpus = vm->vcpu_count;
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		out->acct[i] = &vm->vcpus[i]->acct;
	out->table_pages = vm_table_pages(vm);
}

/* Returns a VM that has ended, by its id or by VM_ENDED(n); NULL: it is not kept. */
static struct ended *
ended_of(uint64_t id)
{
	for (unsigned int n = 0; n < VM_KEPT; n++) {
		struct ended *k = &ended[(ended_last + VM_KEPT - n) % VM_KEPT];

		if (k->id && (id == k->id || id == VM_ENDED(n)))
			return k;
	}
	return NULL;
}

static void
accounts_of_ended(const struct ended *k, struct accounts *out)
{
	*out = (struct accounts){.id = k->id, .name = k->name, .now = k->at};
	out->vcpus = k->vcpus;
	for (unsigned int i = 0; i < k->vcpus; i++)
		out->acct[i] = &k->acct[i];
	out->table_pages = k->table_pages;
}

/* Finds the accounts of a VM.  -E_BAD_VM: no such VM; -E_INVAL: no such vCPU. */
static int
accounts_of(uint64_t id, uint64_t vcpu, struct accounts *out)
{
	struct vm *vm = vm_by_id(id);
	const struct ended *k;

	if (vm)
		accounts_of_vm(vm, out);
	else if ((k = ended_of(id)) != NULL)
		accounts_of_ended(k, out);
	else
		return -E_BAD_VM;
	out->end = out->vcpus;
	if (vcpu == VM_ALL_VCPUS)
		return 0;
	if (vcpu >= out->vcpus)
		return -E_INVAL;
	out->first = (unsigned int)vcpu;
	out->end = out->first + 1;
	return 0;
}

/* Finds the account of one vCPU; *now is the time that it is read at. */
static int
account_of(uint64_t id, uint64_t vcpu, const struct acct **out, uint64_t *now)
{
	struct accounts from;
	int err = vcpu == VM_ALL_VCPUS ? -E_INVAL : accounts_of(id, vcpu, &from);

	if (err < 0)
		return err;
	*out = from.acct[from.first];
	*now = from.now;
	return 0;
}

static int
stats_of(uint64_t id, uint64_t vcpu, struct vm_stats *out)
{
	struct accounts from;
	int err = accounts_of(id, vcpu, &from);

	if (err < 0)
		return err;
	memset(out, 0, sizeof(*out));
	out->id = from.id;
	out->live = from.live;
	out->vcpus = from.vcpus;
	out->vcpu = (uint32_t)vcpu;
	strlcpy(out->name, from.name, sizeof(out->name));
	for (unsigned int i = from.first; i < from.end; i++)
		acct_add_stats(from.acct[i], out, from.now);
	out->table_pages = from.table_pages;
	return 0;
}

int64_t
vm_stats(struct env *e, uint64_t id, uint64_t vcpu, uint64_t stats_va)
{
	struct vm_stats stats;
	int err = stats_of(id, vcpu, &stats);

	return err < 0 ? err : copy_out(e->as, stats_va, &stats, sizeof(stats));
}

int64_t
vm_mark(struct env *e, uint64_t id, uint64_t now_va, uint64_t before_va)
{
	struct vm *vm = vm_by_id(id);
	struct vm_stats stats, *marked;
	int err = stats_of(id, VM_ALL_VCPUS, &stats);

	if (err < 0)
		return err;
	if (vm) {
		if (!vm->marked && !(vm->marked = host_page()))
			return -E_NO_MEM;
		marked = vm->marked;
	} else {
		marked = &ended_of(id)->marked;
	}
	if ((err = copy_out(e->as, before_va, marked, sizeof(*marked))) < 0)
		return err;
	*marked = stats;
	return copy_out(e->as, now_va, &stats, sizeof(stats));
}

int64_t
vm_histogram(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t buckets_va)
{
	uint64_t buckets[VM_BUCKETS] = {0};
	struct accounts from;
	int err = accounts_of(id, vcpu, &from);

	if (kind >= HV_EXIT_KINDS)
		return -E_INVAL;
	if (err < 0)
		return err;
	for (unsigned int i = from.first; i < from.end; i++)
		acct_add_histogram(from.acct[i], kind, buckets);
	return copy_out(e->as, buckets_va, buckets, sizeof(buckets));
}

int64_t
vm_keys(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t keys_va)
{
	struct vm_keys keys = {0};
	struct accounts from;
	int err = accounts_of(id, vcpu, &from);

	if (kind >= HV_EXIT_KINDS)
		return -E_INVAL;
	if (err < 0)
		return err;
	for (unsigned int i = from.first; i < from.end; i++)
		acct_add_keys(from.acct[i], kind, &keys);
	return copy_out(e->as, keys_va, &keys, sizeof(keys));
}

int64_t
vm_trace(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t trace_va)
{
	const struct acct *acct;
	struct vm_trace trace;
	uint64_t now;
	int err = account_of(id, vcpu, &acct, &now);

	if (err == 0 && !acct_trace(acct, number, &trace, now))
		err = -E_NOT_FOUND;
	return err < 0 ? err : copy_out(e->as, trace_va, &trace, sizeof(trace));
}

int64_t
vm_span(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t span_va)
{
	const struct acct *acct;
	struct vm_span span;
	uint64_t now;
	int err = account_of(id, vcpu, &acct, &now);

	if (err == 0 && !acct_span(acct, number, &span, now))
		err = -E_NOT_FOUND;
	return err < 0 ? err : copy_out(e->as, span_va, &span, sizeof(span));
}
