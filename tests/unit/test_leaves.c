// SOURCES: vmm/acct/leaves.c lib/exitname.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "inc/x86.h"
#include "vmm/vmm.h"

/* The statistics leaves: every profile, and every rule of their specification. */

static struct vm vm;
static struct vcpu vcpu;
static struct acct_kind kinds[HV_EXIT_KINDS];

enum { CPUID_COUNT = 0x12345678 };
#define BIG 0x500000007ull /* needs more than 32 bits */

static int
setup(void **state)
{
	(void)state;
	memset(&vm, 0, sizeof(vm));
	memset(&vcpu, 0, sizeof(vcpu));
	memset(kinds, 0, sizeof(kinds));
	for (unsigned int i = 0; i < HV_EXIT_KINDS; i++)
		vcpu.acct.kinds[i] = &kinds[i];
	vm.vcpus[0] = &vcpu;
	vm.vcpu_count = 1;
	vcpu.vm = &vm;
	kinds[HV_EXIT_CPUID].count = CPUID_COUNT;
	kinds[HV_EXIT_CPUID].cycles = BIG;
	kinds[HV_EXIT_EXTERNAL_INTERRUPT].count = 3;
	kinds[HV_EXIT_EXTERNAL_INTERRUPT].cycles = 30;
	vcpu.acct.total = CPUID_COUNT + 3;
	vcpu.acct.time[VM_TIME_HANDLER] = BIG + 30;
	return 0;
}

static void
expect(uint32_t profile, uint32_t leaf, uint32_t reason, struct cpuid_regs want)
{
	struct cpuid_regs got;

	vm.leaves = profile;
	got = leaves_read(&vcpu, leaf, reason);
	assert_int_equal(got.eax, want.eax);
	assert_int_equal(got.ebx, want.ebx);
	assert_int_equal(got.ecx, want.ecx);
	assert_int_equal(got.edx, want.edx);
}

static const uint64_t cycles = BIG + 30;
#define CYCLES(c) .ebx = (uint32_t)((c) >> 32), .ecx = (uint32_t)(c)

static void
test_v1(void **state)
{
	(void)state;
	expect(1, 0x4fffffff, 0, (struct cpuid_regs){.eax = CPUID_COUNT + 3, CYCLES(cycles)});
	expect(1, 0x4ffffffe, 10, (struct cpuid_regs){.eax = CPUID_COUNT});
	expect(1, 0x4ffffffd, 10, (struct cpuid_regs){0});
	expect(1, 0x4ffffffc, 10, (struct cpuid_regs){0});
}

static void
test_v2(void **state)
{
	(void)state;
	expect(2, 0x4fffffff, 0, (struct cpuid_regs){.eax = CPUID_COUNT + 3});
	expect(2, 0x4ffffffe, 0, (struct cpuid_regs){CYCLES(cycles)});
	expect(2, 0x4ffffffd, 10, (struct cpuid_regs){.eax = CPUID_COUNT});
	expect(2, 0x4ffffffd, 1, (struct cpuid_regs){.eax = 3});
	expect(2, 0x4ffffffc, 10, (struct cpuid_regs){CYCLES(BIG)});
	expect(2, 0x4ffffffc, 1, (struct cpuid_regs){CYCLES(30ull)});
}

static void
test_v3(void **state)
{
	(void)state;
	expect(3, 0x4fffffff, 10, (struct cpuid_regs){CYCLES(BIG)});
	expect(3, 0x4ffffffe, 10, (struct cpuid_regs){.eax = CPUID_COUNT});
	expect(3, 0x4ffffffd, 0, (struct cpuid_regs){CYCLES(cycles)});
	expect(3, 0x4ffffffc, 0, (struct cpuid_regs){.eax = CPUID_COUNT + 3});
}

/* The leaf that counts exits of a reason, for each profile. */
static const uint32_t count_leaf[] = {0, 0x4ffffffe, 0x4ffffffd, 0x4ffffffe};

static void
test_undefined_reasons(void **state)
{
	static const uint32_t undefined[] = {35, 38,   42,     65,      69,
	                                     70, 0x10, 0xffff, 0x10000, 0xffffffff};

	(void)state;
	for (uint32_t profile = 1; profile <= 3; profile++)
		for (unsigned int i = 0; i < ARRAY_SIZE(undefined); i++) {
			struct cpuid_regs want = {.edx = 0xffffffff};

			if (undefined[i] == 0x10) /* RDTSC: it exists and is never enabled */
				want.edx = 0;
			expect(profile, count_leaf[profile], undefined[i], want);
		}
}

static void
test_defined_but_never_counted(void **state)
{
	(void)state;
	for (uint32_t profile = 1; profile <= 3; profile++) {
		expect(profile, count_leaf[profile], 3, (struct cpuid_regs){0});
		expect(profile, count_leaf[profile], 68, (struct cpuid_regs){0});
	}
}

static void
test_count_shows_low_half(void **state)
{
	(void)state;
	kinds[HV_EXIT_HLT].count = 0x180000001ull;
	expect(2, 0x4ffffffd, 12, (struct cpuid_regs){.eax = 0x80000001});
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_v1, setup),
	        cmocka_unit_test_setup(test_v2, setup),
	        cmocka_unit_test_setup(test_v3, setup),
	        cmocka_unit_test_setup(test_undefined_reasons, setup),
	        cmocka_unit_test_setup(test_defined_but_never_counted, setup),
	        cmocka_unit_test_setup(test_count_shows_low_half, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
