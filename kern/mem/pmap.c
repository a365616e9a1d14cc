#include "kern/mem/pmap.h"

#include "inc/cpuid.h"
#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/mem/page.h"
#include "lib/assert.h"

/*
 * The kernel's own tables: the image W^X, all RAM in the direct map, device
 * registers, the CPUs' stacks.  Nothing below ULIM.  The direct map shows the
 * constant parts of the image read-only too, or it would be a way round W^X.
 */

/* kern/boot/kernel.ld */
extern char text_start[], text_end[], rodata_start[], rodata_end[], data_start[], kernel_end[];

#define BOOT_MAPPED (4ull << 30) /* by the tables of kern/boot/entry.S */
#define LOW_MEMORY  0x100000

struct pt kernel_pt;

/* What the memory map, the boot loader and the kernel itself take of physical memory. */
static void
pages_init(void)
{
	static struct mem_range ranges[BOOT_MMAP_MAX + 2];
	unsigned int n = 0;

	for (; n < boot_info.mmap_count; n++) {
		ranges[n].base = boot_info.mmap[n].base;
		ranges[n].size = boot_info.mmap[n].size;
		ranges[n].kind = boot_info.mmap[n].usable ? MEM_RAM : MEM_HOLE;
		if (ranges[n].kind == MEM_RAM && ranges[n].base + ranges[n].size > PAGE_RAM_LIMIT)
			kprintf("nestling: the memory at %#llx is not used above %llu GiB\n",
			        (unsigned long long)ranges[n].base, PAGE_RAM_LIMIT >> 30);
	}
	ranges[n++] = (struct mem_range){KERN_PHYS, image_pa(kernel_end) - KERN_PHYS, MEM_BUSY};
	ranges[n++] = (struct mem_range){boot_info.initrd_pa, boot_info.initrd_size, MEM_BUSY};
	page_init(ranges, n, BOOT_MAPPED);
}

/* Maps [pa, pa + size) at va with the largest pages, of at most max_level, that fit. */
static void
map_range(uint64_t va, uint64_t pa, uint64_t size, uint64_t bits, int max_level)
{
	while (size) {
		int level = max_level;
		pte_t *entry;

		while (((va | pa) & (pt_span(level) - 1)) || size < pt_span(level))
			level--;
		if (pt_ensure(&kernel_pt, va, level, &entry) < 0 || *entry)
			panic("cannot map %#llx: no memory, or mapped twice",
			      (unsigned long long)va);
		*entry = pa | bits | PTE_P | PTE_G | (level > 1 ? pt_host.large : 0);
		va += pt_span(level);
		pa += pt_span(level);
		size -= pt_span(level);
	}
}

static void
map_image(const char *start, const char *end, uint64_t bits)
{
	map_range((uint64_t)start, image_pa(start), end - start, bits, 1);
}

/* The bits of a page in the direct map; 0: it is not there. */
static uint64_t
direct_bits(uint64_t pa)
{
	if (pa >= image_pa(text_start) && pa < image_pa(rodata_end))
		return PTE_NX;
	return pa < LOW_MEMORY || pa_page(pa) ? PTE_W | PTE_NX : 0;
}

static void
map_direct(void)
{
	int max_level = cpuid(0x80000001, 0).edx & CPUIDX1_EDX_PAGE1GB ? 3 : 2;
	uint64_t start = 0, bits = direct_bits(0);

	for (uint64_t pa = PAGE_SIZE; pa <= page_ram_end(); pa += PAGE_SIZE) {
		uint64_t next = pa < page_ram_end() ? direct_bits(pa) : 0;

		if (next == bits)
			continue;
		if (bits)
			map_range(DIRECT_BASE + start, start, pa - start, bits, max_level);
		start = pa;
		bits = next;
	}
}

/* Root entries are copied into each new root, so the kernel's must all be there before. */
static void
complete_root(void)
{
	static const uint64_t areas[] = {DIRECT_BASE, CPU_BASE, MMIO_BASE, KTABLE_BASE, KERNBASE};
	pte_t *entry;

	for (unsigned int i = 0; i < ARRAY_SIZE(areas); i++)
		if (pt_ensure(&kernel_pt, areas[i], PT_LEVELS - 1, &entry) < 0)
			panic("no memory for the kernel's page tables");
}

void
pmap_init(void)
{
	pages_init();
	if (pt_init(&kernel_pt, &pt_host) < 0)
		panic("no memory for the kernel's page tables");
	complete_root();
	map_image(text_start, text_end, 0);
	map_image(rodata_start, rodata_end, PTE_NX);
	map_image(data_start, kernel_end, PTE_W | PTE_NX);
	map_direct();
	pmap_load_kernel();
}

void
pmap_map_kernel(uint64_t va, uint64_t perm)
{
	struct page *p = page_alloc(PAGE_ZERO | PAGE_KERNEL);

	if (!p)
		panic("no memory for kernel data");
	map_range(va, page_pa(p), PAGE_SIZE, perm, 1);
}

volatile void *
mmio_map(uint64_t pa, uint64_t size)
{
	static uint64_t used;
	uint64_t va = MMIO_BASE + used;
	uint64_t start = ROUND_DOWN(pa, PAGE_SIZE);

	size = ROUND_UP(pa + size, PAGE_SIZE) - start;
	map_range(va, start, size, PTE_W | PTE_NX | PTE_PCD | PTE_PWT, 1);
	used += size;
	return (volatile void *)(va + pa - start);
}

const void *
firmware_map(uint64_t pa, uint64_t size)
{
	uint64_t limit = 1ull << 32;

	if (cpuid(0x80000000, 0).eax >= 0x80000008)
		limit = BIT(BITS(cpuid(0x80000008, 0).eax, 7, 0));
	if (size > limit || pa > limit - size)
		return NULL;
	return pa + size <= LOW_MEMORY ? kva(pa) : (const void *)mmio_map(pa, size);
}

void
pmap_load_kernel(void)
{
	write_cr3(kernel_pt.root);
}
