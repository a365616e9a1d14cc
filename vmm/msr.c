#include "vmm/vmm.h"

#include "inc/error.h"
#include "inc/msr.h"
#include "inc/x86.h"

/*
 * MSR policy.  An access to an MSR that is not in the table gets #GP.  A `direct` MSR is
 * switched with the vCPU, and the guest accesses it without an exit.
 */

struct msr_policy {
	uint32_t first, last;
	bool direct;
	int (*read)(struct vcpu *v, uint32_t msr, uint64_t *value);
	int (*write)(struct vcpu *v, uint32_t msr, uint64_t value);
};

/* Refuses an access to an MSR that does not exist, or whose accesses do not exit. */
static int
no_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v;
	(void)msr;
	(void)value;
	return -E_INVAL;
}

static int
no_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	(void)msr;
	(void)value;
	return -E_INVAL;
}

static int
read_zero(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)v;
	(void)msr;
	*value = 0;
	return 0;
}

static int
write_ignored(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)v;
	(void)msr;
	(void)value;
	return 0;
}

static int
read_pat(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = hv->get_reg(v, HV_PAT);
	return 0;
}

bool
msr_is_pat(uint64_t value)
{
	for (; value; value >>= 8) {
		uint8_t type = value;

		if (type > 7 || type == 2 || type == 3)
			return false;
	}
	return true;
}

static int
write_pat(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	if (!msr_is_pat(value))
		return -E_INVAL;
	hv->set_reg(v, HV_PAT, value);
	return 0;
}

static int
read_tsc(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = rdtsc() + (uint64_t)v->guest.tsc_offset;
	return 0;
}

static int
write_tsc(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	v->guest.tsc_offset = (int64_t)(value - rdtsc());
	hv->set_reg(v, HV_TSC_OFFSET, (uint64_t)v->guest.tsc_offset);
	return 0;
}

static int
read_efer(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = hv->get_reg(v, HV_EFER);
	return 0;
}

static int
write_efer(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return efer_write(v, value);
}

static int
read_apic_base(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = v->guest.apic_base;
	return 0;
}

static int
write_apic_base(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	return value == v->guest.apic_base ? 0 : -E_INVAL;
}

static int
read_misc_enable(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	(void)msr;
	*value = v->guest.misc_enable;
	return 0;
}

static int
write_misc_enable(struct vcpu *v, uint32_t msr, uint64_t value)
{
	(void)msr;
	v->guest.misc_enable = value;
	return 0;
}

/* The rows stand in the order of their MSRs: see msr_row(). */
static const struct msr_policy policy[] = {
        {MSR_TSC, MSR_TSC, false, read_tsc, write_tsc},
        {MSR_APIC_BASE, MSR_APIC_BASE, false, read_apic_base, write_apic_base},
        {MSR_BIOS_SIGN_ID, MSR_BIOS_SIGN_ID, false, read_zero, write_ignored},
        {MSR_SYSENTER_CS, MSR_SYSENTER_EIP, true, no_read, no_write},
        {MSR_MISC_ENABLE, MSR_MISC_ENABLE, false, read_misc_enable, write_misc_enable},
        {MSR_PAT, MSR_PAT, false, read_pat, write_pat},
        {MSR_EFER, MSR_EFER, false, read_efer, write_efer},
        {MSR_STAR, MSR_FMASK, true, no_read, no_write},
        {MSR_FS_BASE, MSR_GS_BASE, true, no_read, no_write},
        {MSR_KERNEL_GS_BASE, MSR_KERNEL_GS_BASE, true, no_read, no_write},
        {UINT32_MAX, UINT32_MAX, false, no_read, no_write}, /* the end */
};

/* Returns the only row that can have the MSR. */
static const struct msr_policy *
msr_row(uint32_t msr)
{
	const struct msr_policy *p = policy;

	while (msr > p->last)
		p++;
	return p;
}

static int
msr_read(struct vcpu *v, uint32_t msr, uint64_t *value)
{
	const struct msr_policy *p = msr_row(msr);

	return msr >= p->first ? p->read(v, msr, value) : -E_INVAL;
}

static int
msr_write(struct vcpu *v, uint32_t msr, uint64_t value)
{
	const struct msr_policy *p = msr_row(msr);

	return msr >= p->first ? p->write(v, msr, value) : -E_INVAL;
}

enum hv_action
exit_rdmsr(struct vcpu *v, struct hv_exit *x)
{
	uint64_t value;

	x->number = (uint32_t)v->guest.gpr[REG_RCX];
	acct_key(&v->acct, HV_EXIT_RDMSR, x->number);
	if (msr_read(v, x->number, &value) < 0)
		return exit_inject_gp(v, x);
	v->guest.gpr[REG_RAX] = (uint32_t)value;
	v->guest.gpr[REG_RDX] = value >> 32;
	return HV_SKIP;
}

enum hv_action
exit_wrmsr(struct vcpu *v, struct hv_exit *x)
{
	uint64_t value = v->guest.gpr[REG_RDX] << 32 | (uint32_t)v->guest.gpr[REG_RAX];

	x->number = (uint32_t)v->guest.gpr[REG_RCX];
	acct_key(&v->acct, HV_EXIT_WRMSR, x->number);
	if (msr_write(v, x->number, value) < 0)
		return exit_inject_gp(v, x);
	return HV_SKIP;
}

void
msr_for_each_direct(void (*fn)(void *arg, uint32_t msr), void *arg)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(policy); i++)
		for (uint32_t msr = policy[i].first; policy[i].direct && msr <= policy[i].last;
		     msr++)
			fn(arg, msr);
}
