#include "vmm/vmm.h"

#include "lib/string.h"

/* Counters: always on.  An exit is charged from acct_exit() to acct_close(). */

void
acct_exit(struct vcpu *v, enum hv_exit_kind kind, uint64_t now)
{
	v->kind = kind;
	v->stats[kind].count++;
	v->total++;
	v->exit_tsc = now;
	v->charging = true;
}

void
acct_sum(const struct vm *vm, struct vm_stats *out)
{
	memset(out, 0, sizeof(*out));
	for (unsigned int i = 0; i < vm->vcpu_count; i++) {
		const struct vcpu *v = vm->vcpus[i];

		for (unsigned int k = 0; k < HV_EXIT_KINDS; k++) {
			out->count[k] += v->stats[k].count;
			out->cycles[k] += v->stats[k].cycles;
			out->monitor[k] += v->stats[k].monitor;
			out->total_cycles += v->stats[k].cycles;
		}
		out->total += v->total;
		out->vmreads += v->vmreads;
		out->vmwrites += v->vmwrites;
	}
}
