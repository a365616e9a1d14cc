#include "guest/checks/check.h"
#include "guest/checks/probe.h"
#include "guest/kernel/command.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * Control registers: bits that can be toggled take effect, and values that must not be set get #GP.
 */

enum { CR8_MAX = 15 };

/*
 * Checks that writing a value gets #GP.  Does nothing outside of a VM of Nestling's: emulators take
 * some of these values and go on in a mode that does not exist.
 */
static void
check_refused(unsigned int cr, uint64_t value, const char *what)
{
	struct fault f = {0};

	if (in_nestling())
		check(!probe_write_cr(cr, value, &f) && f.vector == X86_GP && f.error == 0,
		      "cr: %s gets #GP", what);
}

static void
use_fpu(void *arg)
{
	(void)arg;
	__asm__ volatile("fnop");
}

static void
write_byte(void *arg)
{
	*(volatile uint8_t *)arg = 1;
}

static void
do_lmsw(void *arg)
{
	__asm__ volatile("lmsw %w0" : : "r"(*(uint64_t *)arg));
}

static void
do_lmsw_from(void *arg)
{
	__asm__ volatile("lmsw (%0)" : : "r"(arg) : "memory");
}

static void
check_ts(void)
{
	uint64_t cr0 = read_cr0(), msw;

	write_cr0(cr0 | CR0_TS);
	check(read_cr0() == (cr0 | CR0_TS), "cr: CR0.TS reads back");
	check_fault(use_fpu, NULL, X86_NM, "cr: FPU instruction with CR0.TS");
	__asm__ volatile("clts");
	check(read_cr0() == (cr0 & ~(uint64_t)CR0_TS), "cr: CLTS clears CR0.TS");
	check_runs(use_fpu, NULL, "cr: FPU instruction after CLTS");

	msw = (cr0 & 0xf) | CR0_TS;
	check_runs(do_lmsw, &msw, "cr: LMSW runs");
	check(read_cr0() & CR0_TS, "cr: LMSW sets CR0.TS");
	msw = CR0_TS; /* PE clear: LMSW cannot clear it */
	check_runs(do_lmsw, &msw, "cr: LMSW without PE runs");
	check(read_cr0() & CR0_PE, "cr: LMSW does not clear CR0.PE");
	check_fault(do_lmsw_from, window_map(0, 0, 0), X86_PF,
	            "cr: LMSW from a page that is not there");
	write_cr0(cr0);
	check_runs(do_lmsw_from, &msw, "cr: LMSW from memory runs");
	check(read_cr0() & CR0_TS, "cr: LMSW from memory sets CR0.TS");
	__asm__ volatile("smsw %0" : "=r"(msw));
	check((msw & 0xffff) == (read_cr0() & 0xffff), "cr: SMSW agrees with CR0");
	write_cr0(cr0);
	check(read_cr0() == cr0, "cr: CR0 is as it was, %lx", cr0);
}

static void
check_wp(void)
{
	uint64_t cr0 = read_cr0();
	uint8_t *page = window_map(0, mem_pa(test_pages), PTE_P);

	check_fault(write_byte, page, X86_PF, "cr: write to a read-only page");
	write_cr0(cr0 & ~(uint64_t)CR0_WP);
	check_runs(write_byte, page, "cr: the same with CR0.WP clear");
	write_cr0(cr0);
	check_fault(write_byte, page, X86_PF, "cr: the same with CR0.WP set again");
	window_map(0, 0, 0);
}

static void
check_cr0_values(void)
{
	uint64_t cr0 = read_cr0();

	check_refused(0, cr0 & ~(uint64_t)CR0_PE, "paging without protection");
	check_refused(0, (cr0 & ~(uint64_t)CR0_CD) | CR0_NW, "CR0.NW without CR0.CD");
	check_refused(0, cr0 | BIT(32), "a bit above 31 of CR0");
	write_cr0(cr0 | CR0_CD);
	check(read_cr0() == (cr0 | CR0_CD), "cr: CR0.CD reads back");
	write_cr0(cr0);
	check(read_cr0() == cr0, "cr: CR0 is as it was, %lx", cr0);
}

static void
check_cr4(void)
{
	static const struct {
		const char *name;
		uint64_t bit;
	} toggled[] = {{"PGE", CR4_PGE}, {"DE", CR4_DE}, {"TSD", CR4_TSD}, {"OSFXSR", CR4_OSFXSR}};
	uint64_t cr4 = read_cr4();

	for (size_t i = 0; i < ARRAY_SIZE(toggled); i++) {
		write_cr4(cr4 ^ toggled[i].bit);
		check(read_cr4() == (cr4 ^ toggled[i].bit), "cr: CR4.%s can be toggled",
		      toggled[i].name);
		write_cr4(cr4);
	}
	check_refused(4, cr4 | BIT(31), "a reserved bit of CR4");
	check_refused(4, cr4 | CR4_VMXE, "CR4.VMXE");
	check_refused(4, cr4 & ~(uint64_t)CR4_PAE, "clearing CR4.PAE");
	check(read_cr4() == cr4, "cr: CR4 is as it was, %lx", cr4);
}

/* A change of a page-table entry must be seen after CR3 is written, and after INVLPG. */
static void
check_cr3(void)
{
	uint64_t cr3 = read_cr3();
	volatile uint8_t *page = window_map(0, mem_pa(test_pages), PTE_P | PTE_W);

	test_pages[0] = 1;
	test_pages[PAGE_SIZE] = 2;
	check(*page == 1, "cr: a page of WINDOW shows its memory");
	window_map(0, mem_pa(test_pages) + PAGE_SIZE, PTE_P | PTE_W);
	check(*page == 2, "cr: INVLPG makes a new mapping visible");
	write_cr3(cr3);
	check(read_cr3() == cr3 && *page == 2, "cr: CR3 can be written");
	check_refused(3, cr3 | BIT(62), "a reserved bit of CR3");
	window_map(0, 0, 0);
}

static void
check_cr2_cr8(void)
{
	uint64_t cr8;

	write_cr2(0x123456789abc);
	provoke_exits();
	check(read_cr2() == 0x123456789abc, "cr: CR2 survives exits");
	check(probe_write_cr(8, CR8_MAX, NULL), "cr: CR8 can be written");
	__asm__ volatile("mov %%cr8, %0" : "=r"(cr8));
	check(cr8 == CR8_MAX, "cr: CR8 reads back");
	check_refused(8, CR8_MAX + 1, "a reserved bit of CR8");
	probe_write_cr(8, 0, NULL);
}

int
cmd_cr(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	check_ts();
	check_wp();
	check_cr0_values();
	check_cr4();
	check_cr3();
	check_cr2_cr8();
	return 0;
}
