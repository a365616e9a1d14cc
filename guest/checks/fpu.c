#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The FPU's registers belong to the vCPU: fill them all, leave the guest many
 * times, look at them again.  The kernel itself is compiled to use none.
 */

enum {
	AREA_BYTES = 4096,
	FX_FCW = 0,
	FX_MXCSR = 24,
	FX_ST = 32, /* eight registers of 10 bytes, 16 apart */
	FX_ST_COUNT = 8,
	FX_ST_BYTES = 10,
	FX_XMM = 160,
	FX_XMM_BYTES = 256,
	XSAVE_HEADER = 512,
	CPUID_XSAVE = 0xd,
	CPUID_XSAVE_AVX = 2, /* AVX's subleaf: EAX is its size, EBX its offset */
	FCW = 0x027f,        /* not the default: 53 bits of precision */
	MXCSR = 0x9f80,      /* not the default: flush to zero */
};

struct area {
	uint8_t byte[AREA_BYTES];
} __attribute__((aligned(64)));

static struct area before, after;

static void
store(uint8_t *at, uint32_t value, size_t n)
{
	memcpy(at, &value, n);
}

static void
fill(uint8_t *at, size_t n, uint8_t seed)
{
	for (size_t i = 0; i < n; i++)
		at[i] = seed + i * 7;
}

static void
fill_legacy(struct area *a)
{
	memset(a, 0, sizeof(*a));
	store(a->byte + FX_FCW, FCW, 2);
	a->byte[4] = 0xff; /* abridged tag word: all registers are in use */
	store(a->byte + FX_MXCSR, MXCSR, 4);
	for (int i = 0; i < FX_ST_COUNT; i++)
		fill(a->byte + FX_ST + i * 16, FX_ST_BYTES, 0x11 * (i + 1));
	fill(a->byte + FX_XMM, FX_XMM_BYTES, 0xa5);
}

static void
check_legacy(void)
{
	bool st = true;

	check(memcmp(after.byte + FX_FCW, before.byte + FX_FCW, 2) == 0,
	      "fpu: the FPU control word survives exits");
	check(memcmp(after.byte + FX_MXCSR, before.byte + FX_MXCSR, 4) == 0,
	      "fpu: MXCSR survives exits");
	for (int i = 0; i < FX_ST_COUNT; i++)
		st &= memcmp(after.byte + FX_ST + i * 16, before.byte + FX_ST + i * 16,
		             FX_ST_BYTES) == 0;
	check(st, "fpu: st(0) to st(7) survive exits");
	check(memcmp(after.byte + FX_XMM, before.byte + FX_XMM, FX_XMM_BYTES) == 0,
	      "fpu: xmm0 to xmm15 survive exits");
}

static void
without_xsave(void)
{
	fill_legacy(&before);
	__asm__ volatile("fxrstor64 %0" : : "m"(before));
	provoke_exits();
	__asm__ volatile("fxsave64 %0" : "=m"(after));
	check_legacy();
	printf("     no XSAVE on this CPU\n");
}

static void
with_xsave(void)
{
	uint64_t supported = guest_cpuid(CPUID_XSAVE, 0).eax;
	uint64_t mask = supported & (XCR0_X87 | XCR0_SSE | XCR0_AVX), xcr0;
	struct cpuid_regs avx = guest_cpuid(CPUID_XSAVE, CPUID_XSAVE_AVX);

	write_cr4(read_cr4() | CR4_OSXSAVE);
	xcr0 = xgetbv(0);
	if (!check(probe_xsetbv(0, mask, NULL), "fpu: XCR0 can be set to %lx", mask))
		return;
	fill_legacy(&before);
	store(before.byte + XSAVE_HEADER, mask, 4);
	if ((mask & XCR0_AVX) && avx.ebx + avx.eax <= AREA_BYTES)
		fill(before.byte + avx.ebx, avx.eax, 0x3c);
	__asm__ volatile("xrstor64 %0" : : "m"(before), "a"((uint32_t)mask), "d"(0));
	provoke_exits();
	__asm__ volatile("xsave64 %0" : "+m"(after) : "a"((uint32_t)mask), "d"(0));
	check_legacy();
	if ((mask & XCR0_AVX) && avx.ebx + avx.eax <= AREA_BYTES)
		check(memcmp(after.byte + avx.ebx, before.byte + avx.ebx, avx.eax) == 0,
		      "fpu: the upper halves of ymm0 to ymm15 survive exits");
	check(xgetbv(0) == mask, "fpu: XCR0 survives exits");
	probe_xsetbv(0, xcr0, NULL);
}

int
cmd_fpu(int argc, char **argv)
{
	uint64_t cr4 = read_cr4();

	(void)argc;
	(void)argv;
	write_cr4(cr4 | CR4_OSFXSR | CR4_OSXMMEXCPT);
	memset(&after, 0, sizeof(after));
	if (cpu_has(CPUID_1_ECX, CPUID1_ECX_XSAVE))
		with_xsave();
	else
		without_xsave();
	write_cr4(cr4);
	return 0;
}
