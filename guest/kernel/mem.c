#include "guest/kernel/mem.h"

#include "guest/boot/boot.h"
#include "guest/kernel/cpu.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The guest's own page tables, and the RAM that it has not touched yet.
 *
 * The tables are few and static: RAM in 2 MiB pages at DIRECT, the kernel in
 * 4 KiB pages at its link address (text executable, read-only data, data), and
 * one table for WINDOW.
 */

enum {
	ENTRIES = 512,
	GIB_MAX = 4, /* RAM above is not used */
};

typedef uint64_t table[ENTRIES] __attribute__((aligned(PAGE_SIZE)));

static table root, direct3, direct2[GIB_MAX], kernel3, kernel2, kernel1, window3, window2, window1,
        low2;
uint8_t test_pages[TEST_PAGES * PAGE_SIZE]
        __attribute__((aligned(PAGE_SIZE), section(".bss.page")));
extern char kernel_text[], kernel_rodata[], kernel_data[], kernel_end[], stack_guard[];

static uint64_t ram;
static uint64_t fresh;      /* gpa: RAM from here on is untouched */
static uint64_t no_execute; /* PTE_NX, or 0 if the CPU has no such bit */

uint64_t
mem_ram(void)
{
	return ram;
}

uint64_t
mem_pa(const void *p)
{
	uint64_t va = (uint64_t)p;

	return va >= KERNEL_BASE ? va - KERNEL_BASE : va - DIRECT;
}

static unsigned int
index_of(uint64_t va, int level)
{
	return va >> (12 + 9 * (level - 1)) & (ENTRIES - 1);
}

static uint64_t
table_entry(const uint64_t *t)
{
	return mem_pa(t) | PTE_P | PTE_W | PTE_U; /* the leaf decides what is allowed */
}

static void
map_kernel(void)
{
	for (uint64_t va = (uint64_t)kernel_text; va < (uint64_t)kernel_end; va += PAGE_SIZE) {
		uint64_t flags = PTE_P | PTE_G;

		if (va >= (uint64_t)kernel_rodata)
			flags |= no_execute;
		if (va >= (uint64_t)kernel_data)
			flags |= PTE_W;
		kernel1[index_of(va, 1)] = (va - KERNEL_BASE) | flags;
	}
	kernel1[index_of((uint64_t)stack_guard, 1)] = 0;
	root[index_of(KERNEL_BASE, 4)] = table_entry(kernel3);
	kernel3[index_of(KERNEL_BASE, 3)] = table_entry(kernel2);
	kernel2[0] = table_entry(kernel1);
}

static void
map_direct(void)
{
	root[index_of(DIRECT, 4)] = table_entry(direct3);
	for (unsigned int gib = 0; gib < GIB_MAX; gib++)
		direct3[gib] = table_entry(direct2[gib]);
	for (unsigned int i = 0; i < GIB_MAX * ENTRIES && (uint64_t)i * LARGE_PAGE_SIZE < ram; i++)
		direct2[i / ENTRIES][i % ENTRIES] =
		        (uint64_t)i * LARGE_PAGE_SIZE | PTE_P | PTE_W | PTE_PS | PTE_G | no_execute;
}

void
mem_init(uint64_t ram_bytes)
{
	ram = ram_bytes;
	fresh = KERNEL_PHYS_END;
	if (cpu_has(CPUID_X1_EDX, CPUIDX1_EDX_NX)) {
		no_execute = PTE_NX;
		wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE);
	}
	map_kernel();
	map_direct();
	root[index_of(WINDOW, 4)] = table_entry(window3);
	window3[index_of(WINDOW, 3)] = table_entry(window2);
	window2[0] = table_entry(window1);
	write_cr0(read_cr0() | CR0_WP | CR0_NE | CR0_MP);
	write_cr4(read_cr4() | CR4_PGE);
	write_cr3(mem_pa(root));
}

uint64_t
mem_map_low(bool on)
{
	low2[0] = PTE_P | PTE_W | PTE_PS;
	window3[0] = on ? table_entry(low2) : 0;
	write_cr3(read_cr3());
	return read_cr3();
}

void
mem_share_kernel(uint64_t *other)
{
	memcpy(other + ENTRIES / 2, root + ENTRIES / 2, ENTRIES / 2 * sizeof(*other));
}

uint64_t
mem_fresh_left(void)
{
	return fresh < ram ? (ram - fresh) / PAGE_SIZE : 0;
}

void *
mem_fresh(uint64_t pages)
{
	uint64_t pa = fresh;

	if (pages > mem_fresh_left())
		return NULL;
	fresh += pages * PAGE_SIZE;
	return direct(pa);
}

void *
mem_fresh_alone(void)
{
	uint64_t aligned = ROUND_UP(fresh, LARGE_PAGE_SIZE);

	if (aligned + LARGE_PAGE_SIZE > ram)
		return NULL;
	fresh = aligned + LARGE_PAGE_SIZE;
	return direct(aligned);
}

uint8_t *
window_set(unsigned int n, uint64_t pa, uint64_t flags)
{
	window1[n] = flags ? pa | flags : 0;
	return (uint8_t *)WINDOW + (uint64_t)n * PAGE_SIZE;
}

uint8_t *
window_map(unsigned int n, uint64_t pa, uint64_t flags)
{
	uint8_t *page = window_set(n, pa, flags);

	invlpg((uint64_t)page);
	return page;
}
