#include "guest/boot/loader.h"
#include "guest/boot/cmos.h"
#include "inc/cpuid.h"
#include "inc/x86.h"
#include "lib/guestkernel.h"

/*
 * The guest's loader: reads the kernel from the disk, builds page tables that
 * map all RAM at its physical address and the kernel at KERNEL_BASE, and
 * enters long mode.
 */

enum {
	CPUID_EXT_MAX = 0x80000000,
	CPUID_EXT_FEATURES = 0x80000001,
};

static uint64_t cpuids;

/* Returns the size of RAM below 4 GiB in bytes, as the CMOS tells it. */
static uint64_t
ram_size(void)
{
	uint16_t above_16m = cmos_word(CMOS_EXT_64KIB), above_1m = cmos_word(CMOS_EXT_KIB);

	if (above_16m == 0xffff && above_1m == 0xffff)
		fail("no CMOS at port 70h: cannot tell how much RAM there is");
	if (above_16m != 0)
		return (16ull << 20) + ((uint64_t)above_16m << 16);
	if (above_1m != 0)
		return (1 << 20) + ((uint64_t)above_1m << 10);
	return (uint64_t)cmos_word(CMOS_BASE_KIB) << 10;
}

static struct cpuid_regs
counted_cpuid(uint32_t leaf)
{
	cpuids++;
	return cpuid(leaf, 0);
}

static void
check_cpu(void)
{
	if (counted_cpuid(CPUID_EXT_MAX).eax < CPUID_EXT_FEATURES ||
	    !(counted_cpuid(CPUID_EXT_FEATURES).edx & CPUIDX1_EDX_LM))
		fail("this CPU has no long mode (CPUID 80000001h EDX bit 29)");
}

void
loader_main(uint32_t kernel_lba)
{
	static struct boot_info info;
	uint64_t entry;

	check_cpu();
	info.ram = ram_size();
	info.cpuids = cpuids;
	entry = load_kernel(kernel_lba, info.ram);
	guest_boot_tables((uint64_t *)BOOT_TABLES, BOOT_TABLES, info.ram);
	enter_kernel(entry, BOOT_TABLES, &info);
}
