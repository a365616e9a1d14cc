#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/cpu.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* XSETBV: the values that XCR0 may have, and those that get #GP (SDM vol. 2, "XSETBV"). */

enum { CPUID_XSAVE = 0xd };

static const struct {
	uint32_t index;
	uint64_t value;
	const char *why;
} invalid[] = {
        {0, 0x0, "x87 off"},
        {0, 0x2, "x87 off, SSE on"},
        {0, 0x5, "AVX without SSE"},
        {0, 0x21, "AVX-512 without AVX"},
        {0, 0x8000000000000001, "bit 63"},
        {0, 0x0001000000000003, "a component nobody has"},
        {1, 0x1, "XCR1"},
        {0xffffffff, 0x1, "XCR with number 0xffffffff"},
};

static void
check_invalid(uint32_t index, uint64_t value, const char *why)
{
	uint64_t before = xgetbv(0);
	struct fault f = {0};
	bool gp = !probe_xsetbv(index, value, &f) && f.vector == X86_GP && f.error == 0;

	check_in_vm(gp && xgetbv(0) == before, "xsetbv: %s gets #GP and changes nothing", why);
	probe_xsetbv(0, before, NULL);
}

static void
check_valid(uint64_t value)
{
	struct fault f = {0};

	check(probe_xsetbv(0, value, &f) && xgetbv(0) == value, "xsetbv: XCR0 can be %lx", value);
}

int
cmd_xsetbv(int argc, char **argv)
{
	uint64_t cr4 = read_cr4(), supported, before;
	struct fault f = {0};

	(void)argc;
	(void)argv;
	if (!cpu_has(CPUID_1_ECX, CPUID1_ECX_XSAVE)) {
		if (in_nestling()) /* QEMU 7.2 hangs on a MOV to CR4 that should get #GP */
			check(!probe_write_cr(4, cr4 | CR4_OSXSAVE, &f) && f.vector == X86_GP,
			      "xsetbv: without XSAVE, CR4.OSXSAVE gets #GP");
		check(!probe_xsetbv(0, 1, &f) && f.vector == X86_UD,
		      "xsetbv: without XSAVE, XSETBV gets #UD");
		return 0;
	}
	write_cr4(cr4 & ~(uint64_t)CR4_OSXSAVE);
	check(!(guest_cpuid(1, 0).ecx & CPUID1_ECX_OSXSAVE), "xsetbv: CPUID shows OSXSAVE clear");
	check(!probe_xsetbv(0, 1, &f) && f.vector == X86_UD,
	      "xsetbv: with CR4.OSXSAVE clear it gets #UD");
	write_cr4(cr4 | CR4_OSXSAVE);
	check(guest_cpuid(1, 0).ecx & CPUID1_ECX_OSXSAVE, "xsetbv: CPUID shows OSXSAVE set");
	before = xgetbv(0);
	supported = guest_cpuid(CPUID_XSAVE, 0).eax;
	check_valid(XCR0_X87);
	check_valid(XCR0_X87 | XCR0_SSE);
	check_valid(supported & (XCR0_X87 | XCR0_SSE | XCR0_AVX));
	for (size_t i = 0; i < ARRAY_SIZE(invalid); i++)
		check_invalid(invalid[i].index, invalid[i].value, invalid[i].why);
	probe_xsetbv(0, before, NULL);
	write_cr4(cr4);
	return 0;
}
