#include "vmm/vmm.h"

#include "inc/x86.h"

/* Counts the pages that a VM costs the host beyond its RAM. */

static uint64_t kernel_pages;

static void
count_page(const void *page)
{
	kernel_pages += page != NULL;
}

static bool
is_ram(const struct vm *vm, uint64_t hva)
{
	for (unsigned int i = 0; i < vm->slot_count; i++)
		if (hva - vm->slots[i].hva < vm->slots[i].size)
			return true;
	return false;
}

struct sum {
	const struct vm *vm;
	uint64_t pages;
};

/* Counts the monitor's pages that nobody else refers to.  Run pages are counted for the vCPU, and
 * pages of files belong to the initrd. */
static int
count_own(void *arg, uint64_t va, int level, pte_t *entry)
{
	struct sum *sum = arg;

	if (!(*entry & PTE_P) || is_ram(sum->vm, va))
		return 0;
	if (level == 2)
		sum->pages += FRAME_PAGES;
	else
		sum->pages += page_exclusive(pa_page(*entry & PTE_ADDR));
	return 0;
}

uint64_t
vm_overhead(const struct vm *vm)
{
	struct sum own = {.vm = vm};

	kernel_pages = 0;
	for (unsigned int i = 0; i < vm->vcpu_count; i++)
		vcpu_pages(vm->vcpus[i], count_page);
	count_page(vm->marked);
	pt_visit(&vm->as->pt, 0, USER_END, count_own, &own);
	return kernel_pages + own.pages + vm->as->pt.tables + vm_table_pages(vm);
}
