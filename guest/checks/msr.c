#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/printf.h"

/* Checks what reading and writing MSRs does. */

enum expect { READABLE, ABSENT, ANY };

/* What RDMSR must do in a VM of Nestling's; ABSENT: #GP. */
static const struct readable {
	uint32_t msr;
	enum expect expect;
	const char *name;
} readable[] = {
        {MSR_TSC, READABLE, "TSC"},
        {MSR_APIC_BASE, ANY, "APIC_BASE"},
        {MSR_FEATURE_CONTROL, ANY, "FEATURE_CONTROL"},
        {MSR_SYSENTER_CS, READABLE, "SYSENTER_CS"},
        {MSR_MISC_ENABLE, ANY, "MISC_ENABLE"},
        {MSR_PAT, READABLE, "PAT"},
        {MSR_MTRRCAP, ANY, "MTRRCAP"},
        {MSR_VMX_BASIC, ABSENT, "VMX_BASIC"},
        {MSR_EFER, READABLE, "EFER"},
        {0x12345678, ABSENT, "no MSR"},
        {0xdeadbeef, ABSENT, "no MSR"},
};

/* MSRs that must keep what is written.  Writing `bad` must get #GP; 0: no value is bad. */
static const struct writable {
	uint32_t msr;
	const char *name;
	uint64_t good, bad;
} writable[] = {
        {MSR_SYSENTER_CS, "SYSENTER_CS", 0x1234, 0},
        {MSR_SYSENTER_ESP, "SYSENTER_ESP", 0xffff812345678000, NON_CANONICAL},
        {MSR_SYSENTER_EIP, "SYSENTER_EIP", 0xffff812345679000, NON_CANONICAL},
        {MSR_STAR, "STAR", 0x0013000800000000, 0},
        {MSR_LSTAR, "LSTAR", 0xffff81234567a000, NON_CANONICAL},
        {MSR_CSTAR, "CSTAR", 0xffff81234567b000, NON_CANONICAL},
        {MSR_FMASK, "FMASK", 0x00047700, 0},
        {MSR_FS_BASE, "FS_BASE", 0xffff81234567c000, NON_CANONICAL},
        {MSR_GS_BASE, "GS_BASE", 0xffff81234567d000, NON_CANONICAL},
        {MSR_KERNEL_GS_BASE, "KERNEL_GS_BASE", 0xffff81234567e000, NON_CANONICAL},
        {MSR_PAT, "PAT", 0x0007010600070406, 0x0000000000000002},
};

static void
check_readable(const struct readable *r)
{
	char result[32];
	struct fault f = {0};
	uint64_t value;
	bool ok = probe_rdmsr(r->msr, &value, &f);

	if (ok)
		snprintf(result, sizeof(result), "%016lx", value);
	else
		snprintf(result, sizeof(result), "%s, error %lx", trap_name(f.vector), f.error);
	if (r->expect == READABLE)
		check(ok, "msr: reading %s (%08x): %s", r->name, r->msr, result);
	else if (r->expect == ABSENT)
		check_in_vm(!ok && f.vector == X86_GP && f.error == 0, "msr: reading %s (%08x): %s",
		            r->name, r->msr, result);
	else
		printf("     msr: reading %s (%08x): %s\n", r->name, r->msr, result);
}

static void
check_writable(const struct writable *w)
{
	uint64_t before, value;
	struct fault f = {0};

	if (!probe_rdmsr(w->msr, &before, &f) || !probe_wrmsr(w->msr, w->good, &f)) {
		check(false, "msr: %s can be read and written, but %s came", w->name,
		      trap_name(f.vector));
		return;
	}
	provoke_exits();
	probe_rdmsr(w->msr, &value, NULL);
	check(value == w->good, "msr: %s keeps %016lx across exits, it is %016lx", w->name, w->good,
	      value);
	if (w->bad != 0)
		check_in_vm(!probe_wrmsr(w->msr, w->bad, &f) && f.vector == X86_GP && f.error == 0,
		            "msr: writing %016lx to %s gets #GP", w->bad, w->name);
	probe_wrmsr(w->msr, before, NULL);
}

static void
check_efer(void)
{
	uint64_t efer = rdmsr(MSR_EFER), value;
	struct fault f = {0};

	check(probe_wrmsr(MSR_EFER, efer ^ EFER_SCE, &f) && probe_rdmsr(MSR_EFER, &value, &f) &&
	              value == (efer ^ EFER_SCE),
	      "msr: EFER.SCE can be toggled");
	probe_wrmsr(MSR_EFER, efer, NULL);
	/* An emulator may take these values, and then be in a mode that does not exist. */
	if (in_nestling()) {
		check(!probe_wrmsr(MSR_EFER, efer | BIT(1), &f) && f.vector == X86_GP,
		      "msr: a reserved bit of EFER gets #GP");
		check(!probe_wrmsr(MSR_EFER, efer & ~(uint64_t)EFER_LME, &f) && f.vector == X86_GP,
		      "msr: clearing EFER.LME with paging on gets #GP");
	}
	check(rdmsr(MSR_EFER) == efer, "msr: EFER is as it was, %lx", efer);
}

int
cmd_msr(int argc, char **argv)
{
	struct fault f = {0};

	(void)argc;
	(void)argv;
	for (size_t i = 0; i < ARRAY_SIZE(readable); i++)
		check_readable(&readable[i]);
	for (size_t i = 0; i < ARRAY_SIZE(writable); i++)
		check_writable(&writable[i]);
	check_in_vm(!probe_wrmsr(0xdeadbeef, 0, &f) && f.vector == X86_GP && f.error == 0,
	            "msr: writing deadbeef gets #GP");
	check_efer();
	return 0;
}
