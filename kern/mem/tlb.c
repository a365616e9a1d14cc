#include "kern/mem/tlb.h"

#include "inc/x86.h"
#include "kern/ipi.h"
#include "kern/mem/pmap.h"
#include "lib/assert.h"

/*
 * An address space counts its flushes (tlb_gen), and each CPU knows as of which one it has
 * flushed the one that it has loaded.  A CPU that is idle, or whose Env is another, keeps the
 * tables loaded: it needs nothing until an Env of theirs comes back to it.
 */

/* More invalidations than this one by one cost more than reloading CR3. */
enum { FLUSH_MAX = 32 };

static void
flush_all(struct cpu *cpu)
{
	write_cr3(cpu->aspace->pt.root);
	cpu->tlb_gen = cpu->aspace->tlb_gen;
}

void
tlb_load(struct aspace *as)
{
	struct cpu *cpu = this_cpu();

	if (cpu->aspace == as && cpu->tlb_gen == as->tlb_gen)
		return;
	cpu->aspace = as;
	flush_all(cpu);
}

void
tlb_hold(struct aspace *as)
{
	as->held = true;
	for (unsigned int i = 0; i < cpu_count; i++) {
		struct cpu *cpu = cpu_at(i);

		if (cpu != this_cpu() && cpu->env && cpu->aspace == as)
			cpu_recall(cpu);
	}
}

void
tlb_flush(struct aspace *as, uint64_t va, uint64_t size)
{
	struct cpu *cpu = this_cpu();
	bool missed = cpu->tlb_gen != as->tlb_gen;

	assert(as->held);
	as->held = false;
	as->tlb_gen++;
	if (cpu->aspace != as)
		return;
	if (missed || size > FLUSH_MAX * PAGE_SIZE) {
		flush_all(cpu);
		return;
	}
	for (uint64_t end = va + size; va < end; va += PAGE_SIZE)
		invlpg(va);
	cpu->tlb_gen = as->tlb_gen;
}

void
tlb_catch_up(void)
{
	struct cpu *cpu = this_cpu();

	if (cpu->aspace && cpu->tlb_gen != cpu->aspace->tlb_gen)
		flush_all(cpu);
}

_Noreturn void
tlb_stale(const struct cpu *cpu)
{
	const struct env *e = cpu->env;

	if (cpu->aspace != e->as)
		panic("CPU %u runs process %#x with other page tables than its own", cpu->index,
		      e->id);
	if (e->as->held)
		panic("CPU %u runs process %#x, from whose page tables entries went without a "
		      "TLB flush",
		      cpu->index, e->id);
	panic("CPU %u runs process %#x with translations of generation %lu, its page tables are at "
	      "%lu",
	      cpu->index, e->id, (unsigned long)cpu->tlb_gen, (unsigned long)e->as->tlb_gen);
}

/* This CPU loads the kernel's own tables if it has those of an address space. */
static void
unload(const void *as)
{
	struct cpu *cpu = this_cpu();

	if (cpu->aspace != as)
		return;
	pmap_load_kernel();
	cpu->aspace = NULL;
}

bool
tlb_loaded(const struct aspace *as)
{
	for (unsigned int i = 0; i < cpu_count; i++)
		if (cpu_at(i)->aspace == as)
			return true;
	return false;
}

void
tlb_forget(const struct aspace *as)
{
	unload(as);
	for (unsigned int i = 0; i < cpu_count; i++)
		if (cpu_at(i)->aspace == as)
			cpu_recall_call(cpu_at(i), unload, as);
}
