#include "guest/bench/workload.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * Page faults of the guest's own, and little else.  The first read of a page of WINDOW faults and
 * the handler maps the page; the first write faults and the handler makes it writable.  Then the
 * page is unmapped.  One INVLPG serves two faults: an absent page is in no TLB, and a fault drops
 * the TLB entry that it comes from (SDM vol. 3, "Operations that Invalidate TLBs and
 * Paging-Structure Caches").
 */

enum { FAULTS = 1000, FAULTS_MAX = 100000000 };

static struct work {
	uint64_t wanted, faults, checksum;
	unsigned int wrong_values, wrong_faults;
} work;

/* Returns the memory behind a page of WINDOW: one of the TEST_PAGES pages. */
static uint64_t *
frame_of(unsigned int page)
{
	return (uint64_t *)(test_pages + page % TEST_PAGES * PAGE_SIZE);
}

static void
on_page_fault(struct trapframe *tf)
{
	uint64_t va = read_cr2();
	unsigned int page = (va - WINDOW) / PAGE_SIZE;
	uint64_t pa = mem_pa(frame_of(page));

	work.faults++;
	work.checksum = checksum_add(work.checksum, va ^ tf->error);
	if (page < WINDOW_PAGES && tf->error == 0)
		window_set(page, pa, PTE_P);
	else if (page < WINDOW_PAGES && tf->error == (PF_P | PF_W))
		window_set(page, pa, PTE_P | PTE_W);
	else
		trap_unwind(tf);
}

/* Access number 0, 2, ... is the first read of a page; the next one is the first write to it. */
static void
access_page(uint64_t number)
{
	unsigned int page = number / 2 % WINDOW_PAGES;
	uint64_t va = WINDOW + (uint64_t)page * PAGE_SIZE;
	uint64_t faults = work.faults, value = *frame_of(page) + page + 1;

	if (number % 2 == 0)
		value = faulting_load(va);
	else
		faulting_store(va, value);
	work.wrong_faults += work.faults != faults + 1;
	work.wrong_values += value != *frame_of(page);
	work.checksum = checksum_add(work.checksum, value);
	if (number % 2 || number == work.wanted - 1)
		window_map(page, 0, 0);
}

static void
run_work(void *arg)
{
	(void)arg;
	for (uint64_t number = 0; number < work.wanted; number++)
		access_page(number);
}

int
cmd_pgfault(int argc, char **argv)
{
	trap_hook *before;
	struct fault f;

	work = (struct work){.checksum = CHECKSUM_START};
	if (!arg_number(argc, argv, 1, FAULTS, 1, FAULTS_MAX, &work.wanted))
		return STATUS_USAGE;
	for (unsigned int i = 0; i < TEST_PAGES; i++)
		*frame_of(i) = i;
	before = trap_set_hook(X86_PF, on_page_fault);
	if (try_run(run_work, NULL, &f))
		check(false, "pgfault: %s at rip %lx, cr2 %lx, error %lx", trap_name(f.vector),
		      f.rip, f.cr2, f.error);
	trap_set_hook(X86_PF, before);
	printf("pgfault: %lu faults, checksum %08x\n", work.faults, checksum_short(work.checksum));
	check(work.wrong_values == 0, "pgfault: pages hold what was written, %u do not",
	      work.wrong_values);
	check(work.wrong_faults == 0,
	      "pgfault: a fault at each first access and first write, %u wrong", work.wrong_faults);
	return 0;
}
