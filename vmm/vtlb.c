#include "vmm/vmm.h"

#include "kern/cpu.h"
#include "lib/assert.h"

/*
 * What a CPU's TLB may hold of guests.  Translations are tagged with the VM's VPID or ASID, and
 * stay when the vCPU leaves the CPU.  So a vCPU that comes to a CPU flushes, unless it was the last
 * to run there under this tag, and ran nowhere else since: on another CPU its guest may have
 * changed page tables without a word to this one.
 *
 * Emulators flush at every entry and hide what is missing here.  Hence the record: only a flush
 * makes v->flushed anything but TLB_UNKNOWN, and each entry checks that.
 */

static struct record {
	uint64_t serial; /* of the vCPU that flushed last under this tag; 0: none */
	uint64_t gen;    /* the VM's tlb_gen then */
} records[CPUS_MAX][VM_MAX + 1];

static struct record *
record_of(const struct vcpu *v)
{
	return &records[this_cpu()->index][v->vm->asid];
}

void
vtlb_flush(struct vcpu *v)
{
	v->flushed = hv->flush(v);
	*record_of(v) = (struct record){.serial = v->serial, .gen = v->flushed};
}

void
vtlb_load(struct vcpu *v)
{
	const struct record *r = record_of(v);

	if (hv->keeps_tlb && v->tlb_cpu == this_cpu()->index && r->serial == v->serial) {
		v->flushed = r->gen;
		return;
	}
	v->tlb_cpu = this_cpu()->index;
	vtlb_flush(v);
}

_Noreturn void
vtlb_stale(const struct vcpu *v)
{
	unsigned int cpu = this_cpu()->index;

	if (v->loaded_cpu != (int)cpu)
		panic("vCPU %u of VM %u enters on CPU %u, but is loaded on CPU %d", v->index,
		      v->vm->id, cpu, v->loaded_cpu);
	if (v->vm->tlb_gen & TLB_CHANGING)
		panic("vCPU %u of VM %u enters on CPU %u, but the nested page table is changing",
		      v->index, v->vm->id, cpu);
	if (v->flushed == TLB_UNKNOWN)
		panic("vCPU %u of VM %u enters on CPU %u without a TLB flush, the VM is at %lu",
		      v->index, v->vm->id, cpu, (unsigned long)v->vm->tlb_gen);
	panic("vCPU %u of VM %u enters on CPU %u with translations of generation %lu, the VM is at "
	      "%lu",
	      v->index, v->vm->id, cpu, (unsigned long)v->flushed, (unsigned long)v->vm->tlb_gen);
}
