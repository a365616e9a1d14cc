#include "guest/boot/cmos.h"
#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"

/* RAM: what the CMOS says of it, and whether it keeps what is written. */

enum { WORDS_PER_PAGE = PAGE_SIZE / 8 };

/* Returns a value that depends on the address, so that two addresses of one page of RAM show. */
static uint64_t
pattern(const volatile uint64_t *at, uint64_t flip)
{
	return ((uint64_t)at * 0x9e3779b97f4a7c15ull) ^ flip;
}

/* Writes all words, then reads them back.  Returns the number of wrong words. */
static uint64_t
test_pattern(volatile uint64_t *mem, uint64_t words, uint64_t flip)
{
	uint64_t wrong = 0;

	for (uint64_t i = 0; i < words; i++)
		mem[i] = pattern(&mem[i], flip);
	for (uint64_t i = 0; i < words; i++)
		wrong += mem[i] != pattern(&mem[i], flip);
	return wrong;
}

int
cmd_mem(int argc, char **argv)
{
	uint64_t mib, pages, wrong = 0, nonzero = 0;
	uint64_t *mem;

	if (!arg_number(argc, argv, 1, 1, 1, 4096, &mib))
		return STATUS_USAGE;
	printf("CMOS: %u KiB below 1 MiB, %u KiB above, %u * 64 KiB above 16 MiB\n",
	       cmos_word(CMOS_BASE_KIB), cmos_word(CMOS_EXT_KIB), cmos_word(CMOS_EXT_64KIB));
	printf("RAM:  %lu KiB, of it %lu KiB never touched\n", mem_ram() / 1024,
	       mem_fresh_left() * 4);
	pages = mib * 256;
	mem = mem_fresh(pages);
	if (!mem) {
		printf("mem: %lu MiB wanted, only %lu KiB of RAM were never touched\n", mib,
		       mem_fresh_left() * 4);
		return STATUS_FAILED;
	}
	for (uint64_t i = 0; i < pages * WORDS_PER_PAGE; i++)
		nonzero += mem[i] != 0;
	if (in_nestling())
		check(nonzero == 0, "mem: fresh RAM is zero, %lu words are not", nonzero);
	wrong = test_pattern(mem, pages * WORDS_PER_PAGE, 0);
	wrong += test_pattern(mem, pages * WORDS_PER_PAGE, ~0ull);
	check(wrong == 0, "mem: %lu MiB keep what is written, %lu words do not", mib, wrong);
	return 0;
}
