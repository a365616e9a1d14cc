#include "vmm/vmm.h"

#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/shadow/shadow.h"

/*
 * A processor's RESET (SDM vol. 3, "Processor State After Reset"), with which a vCPU's life begins,
 * too.  What the monitor does for INIT is to set registers: the FPU, XCR0, the TSC and MSRs stay.
 */

enum { MISC_ENABLE_FAST_STRINGS = 1 << 0 };

static const struct vm_regs reset_regs = {
        .gpr[REG_RDX] = 0x600,
        .rip = 0xfff0,
        .rflags = RFLAGS_FIXED,
        .cr0 = CR0_ET | CR0_NW | CR0_CD,
        .dr6 = DR6_FIXED,
        .dr7 = DR7_FIXED,
        .gdtr_limit = 0xffff,
        .idtr_limit = 0xffff,
        .seg =
                {
                        [SEG_ES] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_CS] = {.sel = 0xf000, .base = 0xffff0000, .limit = 0xffff, .ar = 0x9b},
                        [SEG_SS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_DS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_FS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_GS] = {.limit = 0xffff, .ar = 0x93},
                        [SEG_LDTR] = {.limit = 0xffff, .ar = 0x82},
                        [SEG_TR] = {.limit = 0xffff, .ar = 0x8b},
                },
};

void
vcpu_take_regs(struct vcpu *v, const struct vm_regs *regs)
{
	memcpy(v->gpr, regs->gpr, sizeof(v->gpr));
	v->cr2 = regs->cr2;
	v->cr8 = regs->cr8;
	v->dr6 = (regs->dr6 & DR6_WRITABLE) | DR6_FIXED;
	memcpy(v->dr, regs->dr, sizeof(v->dr));
	state_load_dr(v);
	v->halted = false;
	v->dead_halt = false;
	v->stopped = false;
	v->event.info = 0;
	v->held_irq = 0;
	v->in.pending = PENDING_NONE;
	v->mmio.again = false;
	gmem_forget_code(v);
	/* The monitor may have made page tables anew as well, which no fault has told of. */
	if (v->shadow)
		shadow_unwatch(v->shadow, 0, UINT64_MAX);
}

int
vcpu_reset(struct vcpu *v)
{
	const uint64_t vmreads = v->vmreads, vmwrites = v->vmwrites; /* these are of exits */
	int err;

	vcpu_unload(v);
	state_reset(v);
	v->misc_enable = MISC_ENABLE_FAST_STRINGS;
	vcpu_current(v);
	hv->reset(v);
	if (v->shadow)
		shadow_reset(v);
	v->tsc_offset = v->index ? v->vm->vcpus[0]->tsc_offset : -(int64_t)rdtsc();
	hv->set_tsc_offset(v, v->tsc_offset);
	vcpu_take_regs(v, &reset_regs);
	err = hv->set_regs(v, &reset_regs);
	v->stopped = !hv_caps.nested; /* as long as it is in real mode */
	v->vmreads = vmreads;
	v->vmwrites = vmwrites;
	return err;
}
