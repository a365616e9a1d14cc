#include "vmm/vmm.h"

#include "kern/cpu.h"
#include "lib/assert.h"

/*
 * Tracks what a CPU's TLB may hold of guests.  Translations are tagged with the VM's VPID or ASID,
 * and stay when the vCPU leaves the CPU.  So a vCPU flushes when it is loaded on a CPU, unless it
 * was the last to run there under this tag and ran nowhere else since.  (On another CPU its guest
 * may have changed page tables without telling this CPU.)
 *
 * Emulators flush at every entry, so a forgotten flush would go unnoticed.  The checks find it:
 * each entry compares v->tlb.flushed with the VM's tlb_gen, and v->tlb.stale says which
 * translations the hardware must still be told to flush.
 */

/* The last flush on a CPU under a tag. */
static struct record {
	uint64_t serial; /* of the vCPU that flushed; 0: none has */
	uint64_t moves;  /* the vCPU's tlb.moves then */
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
	v->tlb.stale = TLB_NESTED | TLB_LINEAR;
	hv->flush(v);
	v->tlb.flushed = v->vm->tlb_gen;
	*record_of(v) = (struct record){v->tlb.serial, v->tlb.moves, v->tlb.flushed};
}

/* Was v the last vCPU to run on this CPU under its tag, and did it run nowhere else since? */
static bool
is_own(const struct vcpu *v)
{
	const struct record *r = record_of(v);

	return r->serial == v->tlb.serial && r->moves == v->tlb.moves;
}

void
vtlb_load(struct vcpu *v)
{
	if (v->tlb.cpu != this_cpu()->index) {
		v->tlb.cpu = this_cpu()->index;
		v->tlb.moves++;
	}
	if (hv->traits.keeps_tlb && is_own(v))
		v->tlb.flushed = record_of(v)->gen;
	else
		vtlb_flush(v);
}

/* Panics if v enters while the nested page table is changing: a flush would come too early. */
static void
check_settled(const struct vcpu *v)
{
	if (v->vm->tlb_gen & TLB_CHANGING)
		panic("vCPU %u of VM %u enters on CPU %u, but the nested page table is changing",
		      v->index, v->vm->id, this_cpu()->index);
}

void
vtlb_check(const struct vcpu *v)
{
	check_settled(v);
	if (!is_own(v))
		panic("vCPU %u of VM %u enters on CPU %u, where the TLB may have old translations",
		      v->index, v->vm->id, this_cpu()->index);
	if (v->tlb.stale)
		panic("vCPU %u of VM %u enters on CPU %u, but the TLB still has %s translations",
		      v->index, v->vm->id, this_cpu()->index,
		      v->tlb.stale & TLB_NESTED ? "guest-physical" : "linear");
}

_Noreturn void
vtlb_stale(const struct vcpu *v)
{
	unsigned int cpu = this_cpu()->index;

	if (v->loaded_cpu != (int)cpu)
		panic("vCPU %u of VM %u enters on CPU %u, but is loaded on CPU %d", v->index,
		      v->vm->id, cpu, v->loaded_cpu);
	check_settled(v);
	if (v->tlb.flushed == TLB_UNKNOWN)
		panic("vCPU %u of VM %u enters on CPU %u without a TLB flush; the VM is at %lu",
		      v->index, v->vm->id, cpu, (unsigned long)v->vm->tlb_gen);
	panic("vCPU %u of VM %u enters on CPU %u with translations of generation %lu; the VM is at "
	      "%lu",
	      v->index, v->vm->id, cpu, (unsigned long)v->tlb.flushed,
	      (unsigned long)v->vm->tlb_gen);
}
