#include "guest/kernel/cpu.h"

#include "inc/vm.h"
#include "inc/x86.h"
#include "lib/string.h"

/* The features that CPUID shows, a count of all CPUIDs executed, and hypercalls. */

enum {
	EXT_BASE = 0x80000000,
	AMD_ECX = 0x444d4163, /* "cAMD", the end of "AuthenticAMD" */
};

static uint64_t cpuids;
static uint32_t words[CPUID_WORDS];
static bool nestling, amd;
static unsigned int processors;

struct cpuid_regs
guest_cpuid(uint32_t leaf, uint32_t subleaf)
{
	cpuids++;
	return cpuid(leaf, subleaf);
}

uint64_t
guest_cpuids(void)
{
	return cpuids;
}

void
guest_count_cpuids(uint64_t n)
{
	cpuids += n;
}

bool
in_nestling(void)
{
	return nestling;
}

bool
cpu_has(enum cpuid_word word, uint32_t bit)
{
	return words[word] & bit;
}

unsigned int
cpu_processors(void)
{
	return processors;
}

bool
cpu_is_amd(void)
{
	return amd;
}

uint64_t
hypercall(uint64_t number, uint64_t *rbx, uint64_t *rcx)
{
	uint64_t result;

	if (amd)
		__asm__ volatile("vmmcall"
		                 : "=a"(result), "+b"(*rbx), "+c"(*rcx)
		                 : "a"(number)
		                 : "memory");
	else
		__asm__ volatile("vmcall"
		                 : "=a"(result), "+b"(*rbx), "+c"(*rcx)
		                 : "a"(number)
		                 : "memory");
	return result;
}

static bool
is_nestling(void)
{
	struct cpuid_regs r;
	uint32_t text[3];

	if (!cpu_has(CPUID_1_ECX, CPUID1_ECX_HYPERVISOR))
		return false;
	r = guest_cpuid(HV_CPUID_BASE, 0);
	text[0] = r.ebx;
	text[1] = r.ecx;
	text[2] = r.edx;
	return memcmp(text, HV_CPUID_SIGNATURE, sizeof(text)) == 0;
}

void
cpu_init(uint64_t cpuids_so_far)
{
	struct cpuid_regs r;
	uint32_t max;

	cpuids = cpuids_so_far;
	r = guest_cpuid(0, 0);
	max = r.eax;
	amd = r.ecx == AMD_ECX;
	r = guest_cpuid(1, 0);
	words[CPUID_1_ECX] = r.ecx;
	words[CPUID_1_EDX] = r.edx;
	processors = r.ebx >> 16 & 0xff;
	if (max >= 7)
		words[CPUID_7_EBX] = guest_cpuid(7, 0).ebx;
	if (guest_cpuid(EXT_BASE, 0).eax > EXT_BASE) {
		r = guest_cpuid(EXT_BASE + 1, 0);
		words[CPUID_X1_ECX] = r.ecx;
		words[CPUID_X1_EDX] = r.edx;
	}
	nestling = is_nestling();
}
