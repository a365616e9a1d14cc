#include "vmm/vmm.h"

#include "inc/x86.h"

/*
 * The statistics leaves 0x4FFFFFFC to 0x4FFFFFFF, in which a VM reads its own counters.
 * Exits have Intel's reason numbers on every processor.  There are three profiles of the
 * leaves: docs/leaves.md.
 */

enum answer { NOTHING, TOTAL, TOTAL_CYCLES, TOTAL_BOTH, COUNT, CYCLES };

/* [profile - 1][leaf - 0x4ffffffc] */
static const enum answer profiles[3][4] = {
        {NOTHING, NOTHING, COUNT, TOTAL_BOTH},
        {CYCLES, COUNT, TOTAL_CYCLES, TOTAL},
        {TOTAL, TOTAL_CYCLES, COUNT, CYCLES},
};

static uint64_t
total_exits(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		sum += vm->vcpus[i]->acct.total;
	return sum;
}

static uint64_t
total_cycles(const struct vm *vm)
{
	uint64_t sum = 0;

	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		sum += vm->vcpus[i]->acct.time[VM_TIME_HANDLER];
	return sum;
}

static void
put_cycles(struct cpuid_regs *r, uint64_t cycles)
{
	r->ebx = cycles >> 32;
	r->ecx = (uint32_t)cycles;
}

static struct cpuid_regs
of_reason(const struct vm *vm, enum answer what, uint32_t reason)
{
	enum hv_exit_kind kind = hv_exit_kind_of(reason);
	struct cpuid_regs r = {0};
	uint64_t count = 0, cycles = 0;

	if (kind >= HV_EXIT_KINDS) {
		r.edx = 0xffffffff;
		return r;
	}
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		count += vm->vcpus[i]->acct.kinds[kind]->count;
		cycles += vm->vcpus[i]->acct.kinds[kind]->cycles;
	}
	if (what == COUNT)
		r.eax = (uint32_t)count;
	else
		put_cycles(&r, cycles);
	return r;
}

struct cpuid_regs
leaves_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf)
{
	enum answer what = profiles[v->vm->leaves - 1][leaf - HV_CPUID_LEAF_FIRST];
	struct cpuid_regs r = {0};

	if (what == COUNT || what == CYCLES)
		return of_reason(v->vm, what, subleaf);
	if (what == TOTAL || what == TOTAL_BOTH)
		r.eax = (uint32_t)total_exits(v->vm);
	if (what == TOTAL_CYCLES || what == TOTAL_BOTH)
		put_cycles(&r, total_cycles(v->vm));
	return r;
}
