#include "vmm/vmm.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/lock.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/printf.h"
#include "lib/string.h"
#include "vmm/debug.h"
#include "vmm/load.h"

/*
 * Control blocks as text, for the kernel monitor and for gdb (`vmcs` in tools/gdb), which
 * cannot look into a VMCS.  The text stays until the next dump.
 */

char hv_dump_text[VM_DUMP_TEXT];
static uint64_t used;

static __attribute__((format(printf, 1, 2))) void
dump_print(const char *fmt, ...)
{
	va_list ap;

	step(STEP_SMALL);
	va_start(ap, fmt);
	vsnprintf(hv_dump_text + used, sizeof(hv_dump_text) - used, fmt, ap);
	va_end(ap);
	used += strlen(hv_dump_text + used);
}

void
dump_start(void)
{
	assert(spin_holding(&kernel_lock) || cpu_panicking());
	used = 0;
	hv_dump_text[0] = '\0';
}

void
dump_vcpu(struct vcpu *v)
{
	bool here = this_cpu()->vcpu == v;
	struct cpu *cpu = env_cpu(v->env);

	dump_print("VM %u (%s), vCPU %u: %s root %016lx, %lu exits\n", v->vm->id, v->vm->name,
	           v->index, hv->npt_format->name, v->vm->npt.root, v->acct.total);
	if (v->loaded_cpu >= 0 && !here && (cpu || cpu_panicking())) {
		dump_print("  on CPU %d, which alone can read it\n", v->loaded_cpu);
		return;
	}
	if (!here) {
		vcpu_unload(v);
		vcpu_current(v);
	}
	hv->debug->dump(v, dump_print);
	if (!here)
		hv_switch_out();
}
