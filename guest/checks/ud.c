#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/irq.h"
#include "inc/error.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * Instructions that belong to a hypervisor, to SMM or to a feature that the CPU
 * may lack.  Each must do what a processor without virtualization does, and
 * what CPUID promises.
 */

#define UNKNOWN_HYPERCALL 0x12345678

/* Outcomes, as a set. */
enum outcome { RUNS = 1, UD = 2, GP = 4 };

#define INSTRUCTION(name, text, ...)                                                    \
	static void insn_##name(void *arg)                                              \
	{                                                                               \
		__asm__ volatile(text : : "m"(*(char *)arg), ##__VA_ARGS__ : "memory"); \
	}

INSTRUCTION(vmxon, "vmxon %0")
INSTRUCTION(vmxoff, "vmxoff")
INSTRUCTION(vmclear, "vmclear %0")
INSTRUCTION(vmptrld, "vmptrld %0")
INSTRUCTION(vmptrst, "vmptrst %0")
INSTRUCTION(vmlaunch, "vmlaunch")
INSTRUCTION(vmresume, "vmresume")
INSTRUCTION(vmread, "vmread %1, %0", "r"(0ull))
INSTRUCTION(vmwrite, "vmwrite %0, %1", "r"(0ull))
INSTRUCTION(invept, "invept %0, %1", "r"(1ull))
INSTRUCTION(invvpid, "invvpid %0, %1", "r"(2ull))
INSTRUCTION(vmfunc, ".byte 0x0f, 0x01, 0xd4", "a"(0), "c"(0))
INSTRUCTION(vmrun, ".byte 0x0f, 0x01, 0xd8", "a"(0ull))
INSTRUCTION(vmload, ".byte 0x0f, 0x01, 0xda", "a"(0ull))
INSTRUCTION(vmsave, ".byte 0x0f, 0x01, 0xdb", "a"(0ull))
INSTRUCTION(stgi, ".byte 0x0f, 0x01, 0xdc")
INSTRUCTION(clgi, ".byte 0x0f, 0x01, 0xdd")
INSTRUCTION(skinit, ".byte 0x0f, 0x01, 0xde", "a"(0))
INSTRUCTION(invlpga, ".byte 0x0f, 0x01, 0xdf", "a"(0ull), "c"(0))
INSTRUCTION(getsec, ".byte 0x0f, 0x37", "a"(0), "b"(0))
INSTRUCTION(monitor, ".byte 0x0f, 0x01, 0xc8", "a"(arg), "c"(0), "d"(0))
INSTRUCTION(mwait, ".byte 0x0f, 0x01, 0xc9", "a"(0), "c"(0))
INSTRUCTION(rdpmc, "rdpmc", "a"(0), "d"(0), "c"(0x3fffffff))
INSTRUCTION(rsm, "rsm")
INSTRUCTION(rdtscp, ".byte 0x0f, 0x01, 0xf9", "a"(0), "c"(0), "d"(0))
INSTRUCTION(invpcid, "invpcid %0, %1", "r"(2ull))
INSTRUCTION(encls, ".byte 0x0f, 0x01, 0xcf", "a"(0xffff), "b"(0), "c"(0), "d"(0))
INSTRUCTION(ud2, "ud2")
/* On silicon INVD drops what the caches hold: write it back first. */
INSTRUCTION(invd, "wbinvd; invd")
INSTRUCTION(wbinvd, "wbinvd")
INSTRUCTION(pause, "pause")

/* `with` is what may happen when CPUID shows the feature, `without` when it does not. */
static const struct row {
	const char *name;
	void (*run)(void *);
	enum cpuid_word word;
	uint32_t bit; /* 0: no feature decides, `without` holds */
	uint8_t with, without;
} rows[] = {
        {"VMXON", insn_vmxon, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMXOFF", insn_vmxoff, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMCLEAR", insn_vmclear, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMPTRLD", insn_vmptrld, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMPTRST", insn_vmptrst, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMLAUNCH", insn_vmlaunch, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMRESUME", insn_vmresume, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMREAD", insn_vmread, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMWRITE", insn_vmwrite, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"INVEPT", insn_invept, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"INVVPID", insn_invvpid, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMFUNC", insn_vmfunc, CPUID_1_ECX, CPUID1_ECX_VMX, UD, UD},
        {"VMRUN", insn_vmrun, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"VMLOAD", insn_vmload, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"VMSAVE", insn_vmsave, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"STGI", insn_stgi, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"CLGI", insn_clgi, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"SKINIT", insn_skinit, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"INVLPGA", insn_invlpga, CPUID_X1_ECX, CPUIDX1_ECX_SVM, UD, UD},
        {"GETSEC", insn_getsec, CPUID_1_ECX, CPUID1_ECX_SMX, UD, UD},
        {"MONITOR", insn_monitor, CPUID_1_ECX, CPUID1_ECX_MONITOR, RUNS, UD},
        {"MWAIT", insn_mwait, CPUID_1_ECX, CPUID1_ECX_MONITOR, RUNS, UD},
        {"RDPMC", insn_rdpmc, CPUID_1_ECX, 0, 0, GP},
        {"RSM", insn_rsm, CPUID_1_ECX, 0, 0, UD},
        {"RDTSCP", insn_rdtscp, CPUID_X1_EDX, CPUIDX1_EDX_RDTSCP, RUNS, UD},
        {"INVPCID", insn_invpcid, CPUID_7_EBX, CPUID7_EBX_INVPCID, RUNS, UD},
        {"ENCLS", insn_encls, CPUID_1_ECX, 0, 0, UD},
        {"UD2", insn_ud2, CPUID_1_ECX, 0, 0, UD},
        {"INVD", insn_invd, CPUID_1_ECX, 0, 0, RUNS},
        {"WBINVD", insn_wbinvd, CPUID_1_ECX, 0, 0, RUNS},
        {"PAUSE", insn_pause, CPUID_1_ECX, 0, 0, RUNS},
};

static enum outcome
try_row(const struct row *r, char *operand)
{
	struct fault f;

	if (!try_run(r->run, operand, &f))
		return RUNS;
	return f.vector == X86_UD ? UD : f.vector == X86_GP ? GP : 0;
}

static const char *
outcome_name(enum outcome o)
{
	return o == RUNS ? "no exception" : o == UD ? "#UD" : o == GP ? "#GP" : "another exception";
}

/*
 * In a VM of Nestling's, an unknown hypercall must return an error.  Elsewhere prints what it does.
 */
static void
check_hypercall(void)
{
	uint64_t result;
	struct fault f = {0};
	bool ran = probe_hypercall(UNKNOWN_HYPERCALL, &result, &f);

	if (in_nestling())
		check(ran && (int64_t)result == -E_NO_SYS,
		      "ud: hypercall with an unknown number: returns %ld", (long)result);
	else
		printf("     hypercall: %s\n", ran ? "no exception" : trap_name(f.vector));
}

int
cmd_ud(int argc, char **argv)
{
	static char operand[64] __attribute__((aligned(64)));

	(void)argc;
	(void)argv;
	if (!timer_start()) /* where MWAIT exists, something must end it */
		return STATUS_FAILED;
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
		const struct row *r = &rows[i];
		bool has = r->bit != 0 && cpu_has(r->word, r->bit);
		enum outcome o;

		memset(operand, 0, sizeof(operand));
		o = try_row(r, operand);
		check_in_vm(o & (has ? r->with : r->without), "ud: %-8s %s", r->name,
		            outcome_name(o));
	}
	timer_stop();
	check_hypercall();
	return 0;
}
