#include "kern/ipi.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/dev/lapic.h"
#include "kern/dev/timer.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "vmm/hv.h"

enum {
	/*
	 * A recall that is not answered in this time is sent again as an NMI.  Where hardware
	 * does as it should, that never is; see docs/TRICKS.md, "Host interrupts that a guest
	 * keeps out".
	 */
	RECALL_PATIENCE_MS = 1,
	STOP_PATIENCE_MS = 100, /* for a CPU that hangs in spite of an NMI */
	MILLISECONDS = 1000,
};
#define NOBODY UINT32_MAX

static uint32_t panicking = NOBODY;
static uint32_t stopped;

void
cpu_recall_call(struct cpu *cpu, void (*call)(const void *arg), const void *arg)
{
	uint64_t patience = RECALL_PATIENCE_MS * tsc_hz / MILLISECONDS;
	uint64_t since = rdtsc();

	assert(cpu != this_cpu() && spin_holding(&kernel_lock));
	cpu->recall_call = call;
	cpu->recall_arg = arg;
	__atomic_store_n(&cpu->recalled, true, __ATOMIC_RELEASE);
	lapic_send(cpu->apic_id, T_IPI);
	while (__atomic_load_n(&cpu->recalled, __ATOMIC_ACQUIRE)) {
		pause_cpu();
		if (rdtsc() - since < patience)
			continue;
		since = rdtsc();
		step(STEP_LARGE); /* CPUs may need their NMIs one after the other */
		if (cpu->env && cpu->env->vcpu)
			vcpu_recalled(cpu->env->vcpu);
		/* NMIs that come together count once, but those that do not would be two. */
		if (!__atomic_exchange_n(&cpu->nmi_sent, true, __ATOMIC_ACQ_REL))
			lapic_send_nmi(cpu->apic_id);
	}
}

void
cpu_recall(struct cpu *cpu)
{
	cpu_recall_call(cpu, NULL, NULL);
}

void
cpu_recall_others(void)
{
	for (unsigned int i = 0; i < cpu_count; i++)
		if (cpu_at(i) != this_cpu())
			cpu_recall(cpu_at(i));
}

void
cpu_answer(void)
{
	struct cpu *cpu = this_cpu();

	if (!__atomic_load_n(&cpu->recalled, __ATOMIC_ACQUIRE))
		return;
	if (cpu->recall_call)
		cpu->recall_call(cpu->recall_arg);
	__atomic_store_n(&cpu->recalled, false, __ATOMIC_RELEASE);
}

void
cpu_poke(struct cpu *cpu)
{
	lapic_send(cpu->apic_id, T_IPI);
}

bool
cpu_nmi(void)
{
	struct cpu *cpu = this_cpu();
	bool ours = __atomic_exchange_n(&cpu->nmi_sent, false, __ATOMIC_ACQ_REL);

	if (panicking != NOBODY && panicking != cpu->index) {
		__atomic_fetch_add(&stopped, 1, __ATOMIC_RELEASE);
		for (;;)
			__asm__ volatile("cli; hlt");
	}
	return ours;
}

bool
cpu_stop_others(void)
{
	uint32_t expected = NOBODY, me = this_cpu()->index;
	uint64_t end = rdtsc() + STOP_PATIENCE_MS * tsc_hz / MILLISECONDS;

	if (!__atomic_compare_exchange_n(&panicking, &expected, me, false, __ATOMIC_ACQ_REL,
	                                 __ATOMIC_ACQUIRE))
		return expected == me;
	if (cpu_count > 1)
		lapic_send_nmi_to_others();
	while (__atomic_load_n(&stopped, __ATOMIC_ACQUIRE) < cpu_count - 1 && rdtsc() < end)
		pause_cpu();
	return true;
}

bool
cpu_panicking(void)
{
	return panicking != NOBODY;
}
