#include "guest/pgedit/pgedit.h"

#include "guest/checks/check.h"
#include "guest/kernel/command.h"
#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/msr.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The machine of guest/pgedit for 4-level page tables, and its command.
 *
 * The test's roots map the kernel by copies of the kernel's tables without PTE_NX, so that EFER.NXE
 * can be switched off.
 */

enum {
	ENTRIES = 512,
	KERNEL_TABLES = 16, /* room for copies of all tables of the kernel */
	STACK_GAP = 512,    /* bytes from RSP down to the stack of the code that makes the access */
	CODE_PAGE = 0,      /* page of WINDOW for user code; the next page is for supervisor code */
	ROUNDS_MAX = 1000000,
};

typedef uint64_t table[ENTRIES];

static struct pg test;
static table *copies; /* KERNEL_TABLES pages; the first is the root that pg_machine_root() copies */
static uint8_t code[PAGE_SIZE] __attribute__((aligned(PAGE_SIZE)));
static uint8_t trap_stack[STACK_SIZE] __attribute__((aligned(16)));
static uint32_t answer;

struct request {
	const struct pg_access *access;
	uint64_t va;
};

static void
take_answer(struct trapframe *tf)
{
	answer = tf->rax;
	trap_unwind(tf);
}

/* Makes the access.  Does not return: the access ends in a trap, and the trap ends try_run(). */
static void
enter(void *arg)
{
	const struct request *r = arg;
	const struct pg_access *a = r->access;
	uint64_t page = WINDOW + (a->user ? CODE_PAGE : CODE_PAGE + 1) * PAGE_SIZE;
	uint64_t flags = RFLAGS_FIXED | (a->ac ? RFLAGS_AC : 0);

	__asm__ volatile(
	        "leaq -%c[gap](%%rsp), %%rax\n\t"
	        "andq $-16, %%rax\n\t"
	        "pushq %[ss]\n\t"
	        "pushq %%rax\n\t"
	        "pushq %[flags]\n\t"
	        "pushq %[cs]\n\t"
	        "pushq %[rip]\n\t"
	        "iretq"
	        :
	        : [gap] "i"(STACK_GAP), [ss] "r"((uint64_t)(a->user ? SEL_UDATA : SEL_KDATA)),
	          [flags] "r"(flags), [cs] "r"((uint64_t)(a->user ? SEL_UCODE : SEL_KCODE)),
	          [rip] "r"(page + a->kind * PG_CODE_BYTES), "D"(r->va), "S"((uint64_t)a->value)
	        : "rax", "memory");
}

void
pg_machine_access(const struct pg_access *a, uint64_t va, struct pg_result *r)
{
	struct request request = {a, va};
	struct fault f = {0};

	try_run(enter, &request, &f);
	if (a->user)
		trap_reload_segments();
	*r = (struct pg_result){f.vector != T_SOFT, f.vector, f.error, f.cr2, answer};
}

static uint64_t
with(uint64_t value, uint64_t bit, bool on)
{
	return on ? value | bit : value & ~bit;
}

void
pg_machine_mode(const struct pg_mode *mode)
{
	uint64_t cr0 = read_cr0(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);
	uint64_t new4 = with(cr4, CR4_PGE, mode->pge);

	new4 = with(with(new4, CR4_SMEP, mode->smep), CR4_SMAP, mode->smap);
	if (with(cr0, CR0_WP, mode->wp) != cr0)
		write_cr0(with(cr0, CR0_WP, mode->wp));
	if (new4 != cr4)
		write_cr4(new4);
	if (with(efer, EFER_NXE, mode->nxe) != efer)
		wrmsr(MSR_EFER, with(efer, EFER_NXE, mode->nxe));
}

/*
 * Copies a table and all tables below it.  Sets the accessed and dirty bits in the copies, so that
 * the processor does not.  Returns false if KERNEL_TABLES are too few.
 */
static bool
copy(table *to, const uint64_t *from, unsigned int level, unsigned int *used)
{
	for (unsigned int i = 0; i < ENTRIES; i++) {
		uint64_t entry = from[i];
		unsigned int below = *used;

		if ((entry & PTE_P) && level > 1 && !(entry & PTE_PS)) {
			if (++*used > KERNEL_TABLES ||
			    !copy(copies + below, direct(entry & PTE_ADDR), level - 1, used))
				return false;
			entry = (entry & ~PTE_ADDR) | mem_pa(copies + below);
		}
		(*to)[i] = entry & PTE_P ? (entry & ~PTE_NX) | PTE_A |
		                                   (level == 1 || (entry & PTE_PS) ? PTE_D : 0)
		                         : entry;
	}
	return true;
}

void
pg_machine_root(void *root)
{
	memcpy(root, copies, sizeof(table));
}

static bool
prepare(void)
{
	uint64_t start;
	unsigned int used = 1;

	if (!test.memory) {
		copies = mem_fresh(KERNEL_TABLES);
		test.image = mem_fresh(PG_FRAMES);
		test.memory = mem_fresh((PG_POOL + PG_POOL_ALIGN) / PAGE_SIZE);
		if (!test.memory)
			return false;
		start = ROUND_UP(mem_pa(test.memory), PG_POOL_ALIGN);
		test.pool = start;
		test.memory = direct(start);
	}
	if (test.pool > PG_POOL_LAST)
		return false;
	memcpy(code, pg_code, sizeof(pg_code));
	window_map(CODE_PAGE, mem_pa(code), PTE_P | PTE_U);
	window_map(CODE_PAGE + 1, mem_pa(code), PTE_P);
	test.format = &pg_long;
	test.huge = cpu_has(CPUID_X1_EDX, CPUIDX1_EDX_PAGE1GB);
	test.can = (struct pg_mode){.wp = true,
	                            .pge = true,
	                            .nxe = cpu_has(CPUID_X1_EDX, CPUIDX1_EDX_NX),
	                            .smep = cpu_has(CPUID_7_EBX, CPUID7_EBX_SMEP),
	                            .smap = cpu_has(CPUID_7_EBX, CPUID7_EBX_SMAP)};
	return copy(copies, direct(read_cr3() & PTE_ADDR), 4, &used);
}

/* Runs the test on its own roots, then restores the kernel's root and modes. */
static bool
run(uint32_t rounds, uint32_t seed)
{
	uint64_t cr0 = read_cr0(), cr3 = read_cr3(), cr4 = read_cr4(), efer = rdmsr(MSR_EFER);
	trap_hook *before = trap_set_hook(T_SOFT, take_answer);
	bool ok;

	trap_set_stack(0, (uint64_t)trap_stack + sizeof(trap_stack));
	ok = pg_run(&test, rounds, seed);
	wrmsr(MSR_EFER, efer);
	write_cr3(cr3);
	write_cr4(cr4 & ~(uint64_t)CR4_PGE);
	write_cr4(cr4);
	write_cr0(cr0);
	trap_set_hook(T_SOFT, before);
	return ok;
}

static void
report(bool ok)
{
	char line[PG_LINE];
	const char *quirk;

	for (unsigned int i = 0; (quirk = pg_quirk(&test, i)); i++)
		printf("NOTE %s\n", quirk);
	if (!ok) {
		pg_difference(&test, line, sizeof(line));
		check(false, "%s", line);
		for (unsigned int i = 0; pg_step_text(&test, i, line, sizeof(line)); i++)
			printf("%s\n", line);
	}
	pg_summary(&test, line, sizeof(line));
	check(ok, "%s", line);
}

int
cmd_pgedit(int argc, char **argv)
{
	uint64_t rounds, seed;

	if (!arg_number(argc, argv, 1, 200, 1, ROUNDS_MAX, &rounds) ||
	    !arg_number(argc, argv, 2, 1, 0, UINT32_MAX, &seed))
		return STATUS_USAGE;
	if (!prepare()) {
		printf("pgedit: needs %u MiB of fresh memory below %u MiB\n",
		       (PG_POOL + PG_POOL_ALIGN) >> 20, (PG_POOL_LAST + PG_POOL) >> 20);
		return STATUS_FAILED;
	}
	report(run(rounds, seed));
	window_map(CODE_PAGE, 0, 0);
	window_map(CODE_PAGE + 1, 0, 0);
	return 0;
}
