#include "vmm/load.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/ipi.h"
#include "kern/switchlog.h"
#include "lib/assert.h"

/*
 * Which vCPU's state is on which CPU.  When an Env leaves a CPU, the control block of its vCPU and
 * the registers that no entry switches stay there.  They leave the CPU when another vCPU is loaded
 * on it, or when another CPU wants them.
 */

SLOW_PATH void
vcpu_load(struct vcpu *v)
{
	struct cpu *cpu = this_cpu();

	hv_switch_out();
	assert(v->loaded_cpu < 0);
	hv->load(v);
	v->loaded_cpu = (int)cpu->index;
	switchlog_step(SWITCH_LOAD);
	vtlb_load(v);
	vtlb_check(v);
	state_load(v);
	cpu->vcpu = v;
	if (switchlog_left)
		vcpu_request(v, REQ_SWITCHLOG);
	switchlog_step(SWITCH_REGISTERS);
}

void
hv_switch_out(void)
{
	struct cpu *cpu = this_cpu();
	struct vcpu *v = cpu->vcpu;

	if (!v)
		return;
	state_save(v);
	switchlog_step(SWITCH_SAVED);
	hv->put(v);
	switchlog_step(SWITCH_PUT);
	v->tlb.flushed = TLB_UNKNOWN;
	cpu->vcpu = NULL;
	/* Comes last: from now on another CPU may load v. */
	__atomic_store_n(&v->loaded_cpu, -1, __ATOMIC_RELEASE);
}

/* Runs on the CPU that has v's state, for another CPU that wants it. */
static void
give_up(const void *v)
{
	if (this_cpu()->vcpu == v)
		hv_switch_out();
}

void
vcpu_unload(struct vcpu *v)
{
	int cpu = __atomic_load_n(&v->loaded_cpu, __ATOMIC_ACQUIRE);

	if (cpu == (int)this_cpu()->index)
		hv_switch_out();
	else if (cpu >= 0)
		cpu_recall_call(cpu_at((unsigned int)cpu), give_up, v);
	assert(__atomic_load_n(&v->loaded_cpu, __ATOMIC_ACQUIRE) < 0);
	/* The first exit on the next CPU shall let interrupts in.  Otherwise guests that move from
	 * CPU to CPU in step could always be gone before let_in_at comes, and a CPU's interrupts
	 * would wait for ever. */
	v->let_in_at = 0;
}
