#include "guest/boot/loader.h"
#include "inc/cpuid.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * The guest's loader: reads the kernel from the disk, builds page tables that
 * map all RAM at its physical address and the kernel at KERNEL_BASE, and
 * enters long mode.
 */

enum {
	MIN_MAPPED = 16 << 20, /* at least this much is mapped, whatever the RAM */
	CPUID_EXT_MAX = 0x80000000,
	CPUID_EXT_FEATURES = 0x80000001,
	TABLE_BYTES = 4096,
	TABLE_ENTRIES = 512,
};

static uint64_t cpuids;

static uint16_t
cmos_word(uint8_t reg)
{
	uint16_t v;

	outb(CMOS_INDEX, reg);
	v = inb(CMOS_DATA);
	outb(CMOS_INDEX, reg + 1);
	return v | inb(CMOS_DATA) << 8;
}

/* RAM below 4 GiB in bytes, from 0 to its end, as the CMOS tells. */
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

static uint64_t *
table(unsigned int n)
{
	return (uint64_t *)(LOADER_TABLES + n * TABLE_BYTES);
}

/*
 * Tables: 0 root, 1 and 2 the third level for addresses from 0 and from
 * KERNEL_BASE, 3 to 6 the second level, one for each GiB.
 */
static uint32_t
build_tables(uint64_t ram)
{
	uint64_t end = ram > MIN_MAPPED ? ram : MIN_MAPPED;

	memset(table(0), 0, 7 * TABLE_BYTES);
	table(0)[0] = (uintptr_t)table(1) | PTE_P | PTE_W;
	table(0)[TABLE_ENTRIES - 1] = (uintptr_t)table(2) | PTE_P | PTE_W;
	table(2)[TABLE_ENTRIES - 1] = (uintptr_t)table(3) | PTE_P | PTE_W;
	for (unsigned int gib = 0; gib < 4; gib++)
		table(1)[gib] = (uintptr_t)table(3 + gib) | PTE_P | PTE_W;
	for (uint32_t i = 0; i < 4 * TABLE_ENTRIES && (uint64_t)i * LARGE_PAGE_SIZE < end; i++)
		table(3)[i] = (uint64_t)i * LARGE_PAGE_SIZE | PTE_P | PTE_W | PTE_PS;
	return (uintptr_t)table(0);
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
	enter_kernel(entry, build_tables(info.ram), &info);
}
