// SOURCES: vmm/gmem.c vmm/fetch.c lib/insn/insn.c lib/insn/table.c lib/insn/mem.c lib/insn/sys.c
// SOURCES: tests/unit/gmemvm.c tests/unit/guesttables.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include <string.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "tests/unit/cpu.h"
#include "tests/unit/gmemvm.h"

/* The walk through a guest's page tables, in each paging mode. */

static void
expect_gpa(uint64_t gva, uint32_t access, uint64_t want)
{
	struct gmem_fault f;
	uint64_t gpa = ~want;

	assert_int_equal(gmem_translate(&vcpu, gva, access, &gpa, &f), 0);
	assert_int_equal(gpa, want);
}

static void
expect_pf(uint64_t gva, uint32_t access, uint32_t error)
{
	struct gmem_fault f = {0};
	uint64_t gpa;

	assert_int_equal(gmem_translate(&vcpu, gva, access, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_PF);
	assert_int_equal(f.gva, gva);
	assert_int_equal(f.error, error);
}

static void
test_paging_off(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE;
	expect_gpa(0x12345, VM_ACCESS_WRITE, 0x12345);
	expect_gpa(0x100012345, VM_ACCESS_READ, 0x12345);
}

static void
test_long_levels(void **state)
{
	const uint64_t gva = 0xffff800012345678;

	(void)state;
	long_mode();
	map_long(gva, DATA | PTE_P | PTE_W, 1);
	expect_gpa(gva, VM_ACCESS_WRITE, DATA + 0x678);
	gmem_vm_setup(NULL);
	map_long(gva, 0x200000 | PTE_P | PTE_PS, 2);
	expect_gpa(gva, VM_ACCESS_READ, 0x200000 + (gva & 0x1fffff));
	gmem_vm_setup(NULL);
	map_long(gva, 0x40000000 | PTE_P | PTE_PS, 3);
	expect_gpa(gva, VM_ACCESS_READ, 0x40000000 + (gva & 0x3fffffff));
}

static void
test_accessed_and_dirty(void **state)
{
	const uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_W, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
	assert_true(*entry64(TABLES, 0) & PTE_A);
	expect_gpa(0x5000, VM_ACCESS_WRITE, DATA);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void
test_faults(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_pf(0x6000, VM_ACCESS_READ, 0);
	expect_pf(0x6000, VM_ACCESS_WRITE, PF_W);
	expect_pf(0x5000, VM_ACCESS_WRITE, PF_W | PF_P);
	assert_false(*entry64(TABLES + 3 * PAGE_SIZE, 5) & PTE_A);
	regs.cr0 &= ~(uint64_t)CR0_WP;
	expect_gpa(0x5000, VM_ACCESS_WRITE, DATA);
	regs.cpl = 3;
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P);
	map_long(0x5000, DATA | PTE_P | PTE_U, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	expect_pf(0x5000, VM_ACCESS_WRITE, PF_U | PF_W | PF_P);
	map_long(0x5000, DATA | PTE_P | PTE_U | PTE_NX, 1);
	expect_pf(0x5000, VM_ACCESS_EXEC, PF_U | PF_I | PF_P);
	regs.efer &= ~(uint64_t)EFER_NXE;
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P | PF_RSVD);
	map_long(0x5000, (1ull << 40) | PTE_P | PTE_U, 1);
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P | PF_RSVD);
}

/* If another vCPU changes the entry before the walk sets its bits, the walk begins anew. */
static void
test_entry_changes_meanwhile(void **state)
{
	uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	*leaf = DATA | PTE_P;
	race.entry = leaf;
	race.left = 1;
	race.value = (DATA + PAGE_SIZE) | PTE_P;
	expect_gpa(0x5000, VM_ACCESS_READ, DATA + PAGE_SIZE);
	assert_int_equal(*leaf, (DATA + PAGE_SIZE) | PTE_P | PTE_A);
	*leaf = DATA | PTE_P;
	race.left = 1;
	race.value = 0;
	expect_pf(0x5000, VM_ACCESS_READ, 0);
	assert_int_equal(*leaf, 0);
}

/* If another vCPU changes the entry again and again, the walk gives up. */
static void
test_entry_changes_for_ever(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	race.entry = entry64(TABLES + 3 * PAGE_SIZE, 5);
	race.value = *race.entry = DATA | PTE_P;
	race.left = FOR_EVER;
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	assert_int_not_equal(race.left, 0);
	assert_int_equal(*race.entry & ~(uint64_t)IGNORED, DATA | PTE_P);
}

/* The frame moves while the shadows are told, for which the walk takes the lock. */
static void
test_write_beside_a_move(void **state)
{
	const uint8_t byte = 1;

	(void)state;
	vm.paging = VM_PAGING_SHADOW;
	move.pending = true;
	assert_int_equal(gphys_write(&vm, DATA, &byte, 1), 0);
	assert_int_equal(ram[DATA], 0);
	assert_int_equal(moved[DATA], 1);
}

static void
test_not_canonical(void **state)
{
	struct gmem_fault f;
	uint64_t gpa;

	(void)state;
	long_mode();
	assert_int_equal(gmem_translate(&vcpu, 1ull << 47, VM_ACCESS_READ, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_GP);
}

static void
test_tables_outside_ram(void **state)
{
	struct gmem_fault f;
	uint64_t gpa;

	(void)state;
	long_mode();
	regs.cr3 = 0x7ffffff000;
	assert_int_equal(gmem_translate(&vcpu, 0x5000, VM_ACCESS_READ, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_NO_RAM);
	assert_true(f.table);
	assert_int_equal(f.gpa, 0x7ffffff000);
}

static void
test_legacy(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = 0;
	regs.efer = 0;
	*entry32(TABLES, 1) = (TABLES + PAGE_SIZE) | PTE_P | PTE_W;
	*entry32(TABLES + PAGE_SIZE, 2) = DATA | PTE_P | PTE_W;
	expect_gpa(0x402123, VM_ACCESS_WRITE, DATA + 0x123);
	/* Without PSE the PS bit means nothing: the entry leads to a table, which is empty. */
	*entry32(TABLES, 3) = (TABLES + 2 * PAGE_SIZE) | PTE_P | PTE_PS;
	expect_pf(0xc00000, VM_ACCESS_READ, 0);
	/* With PSE the page has 4 MiB, and bits 20:13 are address bits 39:32. */
	*entry32(TABLES, 3) = 0x80000000 | 1 << 13 | PTE_P | PTE_PS;
	regs.cr4 = CR4_PSE;
	expect_gpa(0xc12345, VM_ACCESS_READ, 0x180012345);
}

/* Bits that must be 0, in large pages, in top entries, and in 4 MiB pages. */
static void
test_reserved_bits(void **state)
{
	(void)state;
	long_mode();
	map_long(0x200000, 0x200000 | 1 << 13 | PTE_P | PTE_PS, 2);
	expect_pf(0x200000, VM_ACCESS_READ, PF_P | PF_RSVD);
	map_long(0x200000, 0x200000 | 1 << 12 | PTE_P | PTE_PS, 2); /* PAT */
	expect_gpa(0x200000, VM_ACCESS_READ, 0x200000);
	map_long(0, 0x200000 | PTE_P | PTE_PS, 3);
	expect_pf(0, VM_ACCESS_WRITE, PF_P | PF_W | PF_RSVD);
	map_long(0x5000, DATA | PTE_P, 1);
	*entry64(TABLES, 0) |= PTE_PS;
	expect_pf(0x5000, VM_ACCESS_READ, PF_P | PF_RSVD);
	regs.cr4 = CR4_PSE;
	regs.efer = 0;
	*entry32(TABLES, 3) = 0x80000000 | 1 << 21 | PTE_P | PTE_PS;
	expect_pf(0xc00000, VM_ACCESS_READ, PF_P | PF_RSVD);
	*entry32(TABLES, 3) = 0x80000000 | 1 << 20 | PTE_P | PTE_PS; /* address bit 39 */
	expect_pf(0xc00000, VM_ACCESS_READ, PF_P | PF_RSVD);
}

/* Bits 62:52 are ignored in 4-level paging and reserved with PAE. */
static void
test_high_bits(void **state)
{
	const uint64_t high[] = {BIT(52), BIT(62)};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(high); i++) {
		long_mode();
		map_long(0x5000, DATA | PTE_P | high[i], 1);
		expect_gpa(0x5000, VM_ACCESS_READ, DATA);
		regs.cr4 = CR4_PAE;
		regs.efer = EFER_NXE;
		*entry64(TABLES, 1) = (TABLES + PAGE_SIZE) | PTE_P;
		*entry64(TABLES + PAGE_SIZE, 2) = 0x200000 | PTE_P | PTE_PS | high[i];
		expect_pf(0x40400000, VM_ACCESS_READ, PF_P | PF_RSVD);
	}
}

/* An error code has the I bit if NXE is set under PAE, or SMEP is set. */
static void
test_fetch_errors(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_U, 1);
	regs.cr4 = CR4_PAE | CR4_SMEP;
	regs.efer &= ~(uint64_t)EFER_NXE;
	expect_pf(0x5000, VM_ACCESS_EXEC, PF_P | PF_I);
	expect_pf(0x6000, VM_ACCESS_EXEC, PF_I);
	regs.cr4 = 0;
	regs.efer = EFER_NXE;
	expect_pf(0xc00000, VM_ACCESS_EXEC, 0);
}

static void
test_pae(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = CR4_PAE;
	regs.efer = 0;
	regs.cr3 = TABLES + 0x20; /* 32-byte aligned */
	*(uint64_t *)&ram[TABLES + 0x20 + 8] = (TABLES + PAGE_SIZE) | PTE_P;
	*entry64(TABLES + PAGE_SIZE, 0) = 0x600000 | PTE_P | PTE_W | PTE_PS;
	expect_gpa(0x40012345, VM_ACCESS_WRITE, 0x612345);
	assert_false(ram[TABLES + 0x28] & PTE_A);
}

static void
test_copies_cross_pages(void **state)
{
	struct gmem_fault f;
	char buf[8];

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_W, 1);
	map_long(0x6000, (DATA + 0x3000) | PTE_P | PTE_W, 1);
	assert_int_equal(gmem_write(&vcpu, 0x5ffc, "abcdefgh", 8, &f), 0);
	assert_memory_equal(&ram[DATA + 0xffc], "abcd", 4);
	assert_memory_equal(&ram[DATA + 0x3000], "efgh", 4);
	assert_int_equal(gmem_read(&vcpu, 0x5ffc, buf, 8, &f), 0);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(gmem_read(&vcpu, 0x6ffc, buf, 8, &f), -E_FAULT);
	assert_int_equal(f.gva, 0x7000);
	assert_int_equal(gphys_read(&vm, RAM - 4, buf, 8), -E_FAULT);
}

UNIT_MAIN_ON_A_CPU(GMEM_TEST(test_paging_off), GMEM_TEST(test_long_levels),
                   GMEM_TEST(test_accessed_and_dirty), GMEM_TEST(test_faults),
                   GMEM_TEST(test_entry_changes_meanwhile), GMEM_TEST(test_entry_changes_for_ever),
                   GMEM_TEST(test_write_beside_a_move), GMEM_TEST(test_not_canonical),
                   GMEM_TEST(test_tables_outside_ram), GMEM_TEST(test_legacy),
                   GMEM_TEST(test_reserved_bits), GMEM_TEST(test_high_bits),
                   GMEM_TEST(test_fetch_errors), GMEM_TEST(test_pae),
                   GMEM_TEST(test_copies_cross_pages))
