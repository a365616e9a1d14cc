#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/lock.h"
#include "vmm/gmem.h"
#include "vmm/regs.h"
#include "vmm/shadow/shadow.h"

/*
 * The exit handlers that VMX and SVM share, one for each name in inc/exits.def.  The handlers for
 * MSRs are in msr.c, for I/O in io.c, for hypercalls in hypercall.c, for the interrupt window in
 * inject.c.
 */

const exit_handler_t exit_handlers[HV_EXIT_KINDS] = {
#define EXIT_KIND(kind, reason, name, handler) [HV_EXIT_##kind] = exit_##handler,
#include "inc/exits.def"
#undef EXIT_KIND
};

static enum hv_action
cpuid_answer(struct vcpu *v, const struct cpuid_regs *r)
{
	v->guest.gpr[REG_RAX] = r->eax;
	v->guest.gpr[REG_RBX] = r->ebx;
	v->guest.gpr[REG_RCX] = r->ecx;
	v->guest.gpr[REG_RDX] = r->edx;
	return HV_SKIP;
}

/* Answers a leaf that is not fixed, or that the last CPUID exit did not ask for. */
static SLOW_PATH enum hv_action
cpuid_compute(struct vcpu *v, uint32_t leaf)
{
	struct cpuid_regs r = cpuid_guest(v, leaf, (uint32_t)v->guest.gpr[REG_RCX]);

	acct_key(&v->acct, HV_EXIT_CPUID, leaf);
	return cpuid_answer(v, &r);
}

enum hv_action
exit_cpuid(struct vcpu *v, struct hv_exit *x)
{
	uint32_t leaf = (uint32_t)v->guest.gpr[REG_RAX];
	const struct cpuid_regs *fixed = leaf < CPUID_FIXED_LEAVES ? cpuid_fixed[leaf] : NULL;

	x->number = leaf;
	if (fixed && acct_same_key(&v->acct, HV_EXIT_CPUID, leaf))
		return cpuid_answer(v, fixed);
	return cpuid_compute(v, leaf);
}

/* Can only another vCPU's INIT wake v?  A pending kick may bring that INIT, so v is not dead then.
 */
static bool
is_dead(const struct vcpu *v)
{
	if (vcpu_requested(v, REQ_KICK) && v->vm->vcpu_count > 1)
		return false;
	return v->env->guest ? v->pending.dead_halt : v->env->wait == WAIT_HALT;
}

/* Is no vCPU left that could send INIT to the others? */
static bool
all_dead(const struct vm *vm)
{
	unsigned int i = 0;

	while (i < vm->vcpu_count && is_dead(vm->vcpus[i]))
		i++;
	return i == vm->vcpu_count;
}

SLOW_PATH enum hv_action
halt_dead(struct vcpu *v)
{
	bool dead;

	spin_lock(&kernel_lock);
	v->pending.dead_halt = true;
	dead = all_dead(v->vm);
	spin_unlock(&kernel_lock);
	if (!dead)
		return HV_YIELD;
	return vcpu_stop(v, VM_STOP_DEAD_HALT,
	                 "HLT with interrupts off: nothing can wake the guest");
}

enum hv_action
exit_hlt(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	v->pending.dead_halt = false; /* a trap may have ended an earlier dead halt */
	if (!(hv->get_reg(v, HV_RFLAGS) & RFLAGS_IF) && halt_dead(v) == HV_STOP)
		return HV_STOP;
	vcpu_request(v, REQ_HALTED);
	return HV_SKIP;
}

enum hv_action
exit_skip(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	(void)x;
	return HV_SKIP;
}

enum hv_action
exit_inject_ud(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	inject_exception(v, X86_UD);
	return HV_RESUME;
}

/* Returns the value that a MOV to a control or debug register writes: outside 64-bit mode, 32 bits
 * of the general register. */
static uint64_t
operand(struct vcpu *v, unsigned int reg)
{
	uint64_t value = v->guest.gpr[reg];

	return !(value >> 32) || vcpu_in_64bit(v) ? value : (uint32_t)value;
}

static uint64_t
cr_read(struct vcpu *v, unsigned int cr)
{
	switch (cr) {
	case 0:
		return hv->get_reg(v, HV_CR0);
	case 3:
		return hv->get_reg(v, HV_CR3);
	case 4:
		return hv->get_reg(v, HV_CR4);
	}
	return v->guest.cr8;
}

static int
cr_write(struct vcpu *v, unsigned int cr, uint64_t value)
{
	switch (cr) {
	case 0:
		return cr0_write(v, value);
	case 3:
		return cr3_write(v, value);
	case 4:
		return cr4_write(v, value);
	case 8:
		if (value > 15)
			return -E_INVAL;
		v->guest.cr8 = value;
		return 0;
	}
	return -E_INVAL;
}

/* SMSW stores 16 bits of CR0 in memory or in a 16-bit register, else as many as the register has.
 */
static enum hv_action
smsw(struct vcpu *v, const struct hv_exit *x)
{
	uint64_t cr0 = hv->get_reg(v, HV_CR0);
	struct gmem_fault f;

	if (x->cr.memory) {
		if (gmem_write(v, x->cr.gva, &cr0, sizeof(uint16_t), &f) < 0)
			return inject_fault(v, &f, VM_ACCESS_WRITE);
		return HV_SKIP;
	}
	if (x->cr.width == sizeof(uint16_t))
		cr0 = (v->guest.gpr[x->cr.reg] & ~0xffffull) | (cr0 & 0xffff);
	vcpu_set_gpr(v, x->cr.reg, cr0);
	return HV_SKIP;
}

static enum hv_action
without_paging(struct vcpu *v)
{
	return vcpu_stop(v, VM_STOP_NO_PAGING,
	                 "the guest switched paging off (CR0.PG); on this CPU, which has no nested "
	                 "paging, a guest must keep it on, in protected or 64-bit mode");
}

enum hv_action
exit_cr_access(struct vcpu *v, struct hv_exit *x)
{
	struct gmem_fault f;
	uint64_t cr0;
	int err = 0;

	switch (x->cr.op) {
	case CR_READ:
		vcpu_set_gpr(v, x->cr.reg, cr_read(v, x->cr.cr));
		break;
	case CR_WRITE:
		err = cr_write(v, x->cr.cr, operand(v, x->cr.reg));
		break;
	case CR_SMSW:
		return smsw(v, x);
	case CR_CLTS:
		err = cr0_write(v, hv->get_reg(v, HV_CR0) & ~(uint64_t)CR0_TS);
		break;
	case CR_LMSW:
		if (x->cr.memory &&
		    gmem_read(v, x->cr.gva, &x->cr.lmsw, sizeof(x->cr.lmsw), &f) < 0)
			return inject_fault(v, &f, VM_ACCESS_READ);
		/* LMSW can set PE, never clear it (SDM vol. 2, "LMSW"). */
		cr0 = hv->get_reg(v, HV_CR0);
		err = cr0_write(v, (cr0 & ~0xeull) | (x->cr.lmsw & 0xf));
		break;
	}
	if (err < 0)
		return exit_inject_gp(v, x);
	/* With nested paging any CR0 can run; reading it here would cost VMREADs. */
	if (x->cr.cr || hv_caps.nested || cr0_can_run(hv->get_reg(v, HV_CR0)))
		return HV_SKIP;
	return without_paging(v);
}

/*
 * MOV to and from debug registers.  DR0 to DR3 are in v->guest, and in the hardware while v is
 * loaded; DR6 is in v->guest only; DR7 is in the control block.
 *
 * The exit comes before the processor's own checks (SDM vol. 3, "Instructions That
 * Cause VM Exits Conditionally"), so privilege and general detect are checked here.
 */
enum hv_action
exit_mov_dr(struct vcpu *v, struct hv_exit *x)
{
	unsigned int dr = x->dr.dr;
	uint64_t value;

	if (dr > 7 || ((dr == 4 || dr == 5) && (hv->get_reg(v, HV_CR4) & CR4_DE)))
		return exit_inject_ud(v, x);
	if (vcpu_cpl(v) != 0)
		return exit_inject_gp(v, x);
	if (hv->get_reg(v, HV_DR7) & DR7_GD) {
		v->guest.dr6 |= DR6_BD;
		hv->set_reg(v, HV_DR7, hv->get_reg(v, HV_DR7) & ~(uint64_t)DR7_GD);
		inject_exception(v, X86_DB);
		return HV_RESUME;
	}
	if (dr == 4 || dr == 5)
		dr += 2;
	if (x->dr.read) {
		value = dr < 4 ? v->guest.dr[dr] : dr == 6 ? v->guest.dr6 : hv->get_reg(v, HV_DR7);
		vcpu_set_gpr(v, x->dr.reg, value);
		return HV_SKIP;
	}
	value = operand(v, x->dr.reg);
	if (dr >= 6 && value >> 32)
		return exit_inject_gp(v, x);
	if (dr == 6) {
		v->guest.dr6 = (value & DR6_WRITABLE) | DR6_FIXED;
	} else if (dr == 7) {
		hv->set_reg(v, HV_DR7, (value & DR7_WRITABLE) | DR7_FIXED);
	} else {
		v->guest.dr[dr] = value;
		state_load_dr(v);
	}
	return HV_SKIP;
}

/* Features that XCR0 may enable only together (SDM vol. 1, "Enabling the XSAVE Feature Set"). */
static bool
xcr0_valid(uint64_t value)
{
	const uint64_t avx512 = XCR0_OPMASK | XCR0_ZMM_HI256 | XCR0_HI16_ZMM;

	if (!(value & XCR0_X87) || (value & ~state_xcr0_allowed()))
		return false;
	if ((value & XCR0_AVX) && !(value & XCR0_SSE))
		return false;
	if (value & avx512)
		return (value & avx512) == avx512 && (value & XCR0_AVX);
	return true;
}

/* INVLPG exits with shadow paging only. */
enum hv_action
exit_invlpg(struct vcpu *v, struct hv_exit *x)
{
	shadow_invlpg(v, x->qual);
	return HV_SKIP;
}

enum hv_action
exit_xsetbv(struct vcpu *v, struct hv_exit *x)
{
	uint64_t value = v->guest.gpr[REG_RDX] << 32 | (uint32_t)v->guest.gpr[REG_RAX];

	/* SVM checks the intercept before the privilege, and so does Bochs on VMX. */
	if (vcpu_cpl(v) != 0 || (uint32_t)v->guest.gpr[REG_RCX] != 0 || !xcr0_valid(value))
		return exit_inject_gp(v, x);
	v->guest.xcr0 = value;
	xsetbv(0, value);
	return HV_SKIP;
}

/* The guest ran for a slice without an exit: see vmcs.c. */
enum hv_action
exit_preemption_timer(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	(void)x;
	return HV_LET_IN;
}

/*
 * Host NMIs, and the exceptions that are intercepted: #DB and #AC, since a guest can loop in their
 * delivery; #MC; and with shadow paging #PF.
 */
enum hv_action
exit_exception(struct vcpu *v, struct hv_exit *x)
{
	if (x->intr.nmi) {
		hv->take_interrupt(x);
		return HV_RESUME;
	}
	switch (x->intr.vector) {
	case X86_DB:
		v->guest.dr6 =
		        (v->guest.dr6 & ~(uint64_t)DR6_TRAPS) | (x->qual & DR6_CAUSE) | DR6_FIXED;
		if (x->qual & DR6_BD)
			hv->set_reg(v, HV_DR7, hv->get_reg(v, HV_DR7) & ~(uint64_t)DR7_GD);
		inject_event(v, x->intr.event);
		return HV_LET_IN;
	case X86_AC:
		inject_event(v, x->intr.event);
		return HV_LET_IN;
	case X86_PF:
		return shadow_fault(v, x);
	}
	return vcpu_stop(v, VM_STOP_UNHANDLED, "unexpected exit for exception %u", x->intr.vector);
}

enum hv_action
exit_external_interrupt(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	hv->take_interrupt(x);
	return this_cpu()->resched ? HV_YIELD : HV_RESUME;
}

enum hv_action
exit_page_fault(struct vcpu *v, struct hv_exit *x)
{
	acct_key(&v->acct, HV_EXIT_EPT_VIOLATION, ROUND_DOWN(x->mem.gpa, PAGE_SIZE));
	switch (npt_fault(v->vm, x->mem.gpa, x->mem.access)) {
	case NPT_MAPPED:
		return HV_RESUME;
	case NPT_NO_RAM:
		return mmio_access(v, x);
	case NPT_ERROR:
		break;
	}
	return vcpu_no_frame(v, x->mem.gpa, x->mem.access);
}

enum hv_action
exit_unhandled(struct vcpu *v, struct hv_exit *x)
{
	return vcpu_stop(v, VM_STOP_UNHANDLED, "exit %u (%s) has no handler, qualification 0x%llx",
	                 x->raw & 0xffff, hv_exit_name(x->kind), (unsigned long long)x->qual);
}
