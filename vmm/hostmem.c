#include "vmm/vmm.h"

#include "inc/error.h"
#include "kern/step.h"

/* Pages of the hypervisor itself: control blocks, vCPUs, save areas. */

void *
host_page(void)
{
	struct page *p = page_alloc(PAGE_ZERO | PAGE_KERNEL);

	step(STEP_SMALL); /* a flight recorder may take hundreds */
	return p ? kva(page_pa(p)) : NULL;
}

void
host_page_free(void *page)
{
	if (page)
		page_unref(pa_page(kva_pa(page)));
}

int
host_page_pair(void **a, void **b)
{
	*a = host_page();
	*b = host_page();
	if (*a && *b)
		return 0;
	host_page_free(*a);
	host_page_free(*b);
	return -E_NO_MEM;
}
