// SOURCES: vmm/shadow/tables.c vmm/shadow/pool.c vmm/shadow/watch.c vmm/shadow/fault.c vmm/gmem.c
// SOURCES: tests/unit/shadowvm.c tests/unit/shadowaccess.c tests/unit/guesttables.c
// SOURCES: kern/step.c tests/unit/pages.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include <string.h>

#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/step.h"
#include "tests/unit/cpu.h"
#include "tests/unit/pages.h"
#include "tests/unit/shadowaccess.h"
#include "tests/unit/shadowvm.h"

/*
 * Shadow tables: their entries in each paging mode, the entries that a flush removes, and what
 * happens when memory changes or runs short.
 */

static void
test_accessed_and_dirty(void **state)
{
	const uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
	assert_int_equal(guest_access(0x5008, VM_ACCESS_WRITE, false), 0x80008);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
	/* The guest clears the bits and then executes INVLPG, as the manual demands. */
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	shadow_invlpg(&vcpu, 0x5000);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
}

/* Entries may be stale as long as the guest has not flushed, and no longer. */
static void
test_flushes(void **state)
{
	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	map_long(0x5000, 0x90000 | PTE_P | PTE_W, 1);
	flushes = 0;
	shadow_invlpg(&vcpu, 0x5fff);
	assert_int_equal(flushes, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x90000);
	map_long(0x5000, 0, 1);
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), FAULTED);
	assert_int_equal(got.error, 0);
	/* The guest needs no flush to add rights. */
	map_long(0x5000, 0x80000 | PTE_P, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), FAULTED);
	assert_int_equal(got.error, PF_P | PF_W);
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), 0x80000);
}

/*
 * A table becomes reachable in a second place.  No TLB holds translations of that place, so the
 * guest may rely on the table's contents there at once, even before it flushes the first place.
 */
static void
test_second_place_of_a_table(void **state)
{
	const uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	map_long(0x6000, 0x81000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(0x6000, VM_ACCESS_READ, false), 0x81000);
	*entry64(table, 6) = 0x91000 | PTE_P | PTE_W;
	*entry64(table - PAGE_SIZE, 1) = table | PTE_P | PTE_W | PTE_U;
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(0x206000, VM_ACCESS_READ, false), 0x91000);
}

/* INVLPG of any address in a large page removes the whole page. */
static void
test_invlpg_of_large_pages(void **state)
{
	(void)state;
	for (int frames = 0; frames < 2; frames++) {
		large_frames = frames;
		mode_long();
		map_long(0x200000, 0x400000 | PTE_P | PTE_W | PTE_PS, 2);
		assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x401000);
		map_long(0x200000, 0x600000 | PTE_P | PTE_W | PTE_PS, 2);
		shadow_invlpg(&vcpu, 0x3ff000);
		assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x601000);
		memset(ram, 0, sizeof(ram));
		mode_legacy();
		*entry32(TABLES, 1) = 0x400000 | PTE_P | PTE_W | PTE_PS;
		assert_int_equal(guest_access(0x401000, VM_ACCESS_READ, false), 0x401000);
		*entry32(TABLES, 1) = 0 | PTE_P | PTE_W | PTE_PS;
		shadow_invlpg(&vcpu, 0x7ff000);
		assert_int_equal(guest_access(0x401000, VM_ACCESS_READ, false), 0x1000);
		memset(ram, 0, sizeof(ram));
		mode_long();
		map_long(0, 0 | PTE_P | PTE_W | PTE_PS, 3);
		assert_int_equal(guest_access(0x700000, VM_ACCESS_READ, false), 0x700000);
		map_long(0, 0, 3);
		shadow_invlpg(&vcpu, 0x3ffff000);
		assert_int_equal(guest_access(0x700000, VM_ACCESS_READ, false), FAULTED);
		memset(ram, 0, sizeof(ram));
	}
}

/* A 2 MiB shadow entry gives way to 4 KiB ones when the guest's page has become small. */
static void
test_large_becomes_small(void **state)
{
	uint32_t error;

	(void)state;
	large_frames = true;
	mode_long();
	map_long(0x200000, 0x400000 | PTE_P | PTE_PS, 2);
	assert_int_equal(guest_access(0x201000, VM_ACCESS_READ, false), 0x401000);
	map_long(0x201000, 0x600000 | PTE_P | PTE_W, 1);
	flushes = 0;
	assert_int_equal(guest_access(0x201000, VM_ACCESS_WRITE, false), 0x600000);
	assert_int_equal(flushes, 1);
	assert_int_equal(walk_shadow(0x202000, VM_ACCESS_READ, false, &error), -1);
}

static void
test_without_paging(void **state)
{
	struct shadow_regs hw;

	(void)state;
	large_frames = true;
	set_mode(CR0_ET, CR4_SMEP | CR4_SMAP, EFER_LME);
	shadow_hardware(vcpu.shadow, &hw);
	assert_int_equal(hw.cr0, CR0_ET | CR0_PG | CR0_WP);
	assert_int_equal(hw.cr4, CR4_PAE);
	assert_int_equal(hw.efer, EFER_NXE);
	for (unsigned int i = 0; i < 100; i++) {
		uint64_t gpa = below(RAM);

		assert_int_equal(guest_access(gpa, 1 << below(3), below(2)), gpa);
	}
	assert_int_equal(guest_access(0xfed00000, VM_ACCESS_READ, false), DEVICE);
	assert_int_equal(got.gpa, 0xfed00000);
}

/* Without CR0.WP the supervisor may write to read-only pages; the user may not. */
static void
test_write_protection_off(void **state)
{
	(void)state;
	mode_long();
	shadow_set_reg(&vcpu, HV_CR0, CR0_PE | CR0_PG);
	map_long(0x5000, 0x80000 | PTE_P | PTE_U, 1);
	for (unsigned int i = 0; i < 3; i++) {
		compare(0x5000, VM_ACCESS_WRITE, false);
		compare(0x5000, VM_ACCESS_READ, true);
		compare(0x5000, VM_ACCESS_WRITE, true);
		compare(0x5000, VM_ACCESS_EXEC, true);
	}
	shadow_set_reg(&vcpu, HV_CR4, CR4_PAE | CR4_SMEP);
	compare(0x5000, VM_ACCESS_WRITE, false);
	compare(0x5000, VM_ACCESS_EXEC, false);
}

/* A write to a frame that is shared for now takes another fault, which copies the frame. */
static void
test_copy_on_write_frames(void **state)
{
	uint32_t error;

	(void)state;
	mode_long();
	cow = true;
	map_long(0x5000, 0x80000 | PTE_P | PTE_W | PTE_D, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_WRITE, false), 0x80000);
	shadow_protect(&vm);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), 0x80000);
	shadow_narrow(&vm, 0, RAM);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
}

/* A table of the guest gets another frame, as by a copy: from then on that frame is read. */
static void
test_tables_that_move(void **state)
{
	const uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x80000);
	moved = table;
	vm.tlb_gen++;
	*entry64(RAM - PAGE_SIZE, 5) = 0x90000 | PTE_P | PTE_W;
	shadow_invlpg(&vcpu, 0x5000);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x90000);
}

/* A #PF during the delivery of #PF becomes #DF; during #DF it ends the guest; during other events
 * the #PF counts. */
static void
test_double_faults(void **state)
{
	const uint32_t exception = HV_EVENT_VALID | HV_EVENT_EXCEPTION;
	struct hv_exit x = {.qual = 0x5000};

	(void)state;
	mode_long();
	vcpu.pending.event.info = exception | X86_GP;
	assert_int_equal(shadow_fault(&vcpu, &x), HV_RESUME);
	assert_true(got.pf && !got.exception);
	vcpu.pending.event.info = exception | HV_EVENT_HAS_ERROR | X86_PF;
	x = (struct hv_exit){.qual = 0x5000};
	assert_int_equal(shadow_fault(&vcpu, &x), HV_RESUME);
	assert_int_equal(got.exception, X86_DF);
	vcpu.pending.event.info = exception | HV_EVENT_HAS_ERROR | X86_DF;
	x = (struct hv_exit){.qual = 0x5000};
	assert_int_equal(shadow_fault(&vcpu, &x), HV_STOP);
}

/* The number of tables is bounded.  Tables beyond that are dropped, with a flush, and made again.
 */
static void
test_memory_is_bounded(void **state)
{
	const uint64_t directory = TABLES + 2 * PAGE_SIZE, tables = 0x400000;
	unsigned int before, drops = 0;

	(void)state;
	mode_long();
	map_long(0, 0, 2);
	for (unsigned int i = 0; i < PT_ENTRIES; i++) {
		*entry64(directory, i) = (tables + i * PAGE_SIZE) | PTE_P | PTE_W;
		*entry64(tables + i * PAGE_SIZE, 0) = i * PAGE_SIZE | PTE_P;
	}
	for (unsigned int i = 0; i < 2 * PT_ENTRIES; i++) {
		uint64_t gva = i % PT_ENTRIES * LARGE_PAGE_SIZE;

		before = vcpu.shadow->tables;
		flushes = 0;
		assert_int_equal(guest_access(gva, VM_ACCESS_READ, false), gva >> 9);
		assert_true(vcpu.shadow->tables <= SHADOW_TABLES);
		assert_int_equal(pages_promised, shadow_promise_left(vcpu.shadow));
		assert_int_equal(flushes, vcpu.shadow->tables < before);
		drops += vcpu.shadow->tables < before;
	}
	assert_true(drops >= 2 * PT_ENTRIES / SHADOW_TABLES);
}

/* Each root of a guest in PAE has four entries of its own, and its kept tables belong to it. */
static void
test_pae_roots(void **state)
{
	uint32_t error;

	(void)state;
	mode_pae();
	for (unsigned int n = 0; n < 2; n++) {
		*entry64(pae_top(n), 0) = (TABLES + 2 * n * PAGE_SIZE) | PTE_P;
		*entry64(TABLES + 2 * n * PAGE_SIZE, 0) =
		        (TABLES + (2 * n + 1) * PAGE_SIZE) | PTE_P | PTE_W;
		*entry64(TABLES + (2 * n + 1) * PAGE_SIZE, 5) = (0x80000 + n * PAGE_SIZE) | PTE_P;
	}
	for (unsigned int i = 0; i < 6; i++) {
		int64_t gpa = 0x80000 + i % 2 * PAGE_SIZE;

		shadow_set_reg(&vcpu, HV_CR3, pae_top(i % 2));
		assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error),
		                 i < 2 ? -1 : gpa);
		assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), gpa);
	}
}

/* Tables outlast a load of CR3 unless they have changed.  Without caching no table does. */
static void
test_caching(void **state)
{
	uint32_t error;

	(void)state;
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W, 1);
	map_long(0x6000, 0x81000 | PTE_P | PTE_W, 1);
	for (unsigned int i = 0; i < 2; i++)
		assert_true(guest_access(0x5000 + i * PAGE_SIZE, VM_ACCESS_READ, false) > 0);
	*entry64(TABLES + 3 * PAGE_SIZE, 6) = 0x82000 | PTE_P | PTE_W;
	shadow_set_reg(&vcpu, HV_CR3, TABLES + 8 * PAGE_SIZE);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), 0x80000);
	assert_int_equal(walk_shadow(0x6000, VM_ACCESS_READ, false, &error), -1);
	vcpu.shadow->keeps = false;
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(walk_shadow(0x5000, VM_ACCESS_READ, false, &error), -1);
}

/* Work over many entries is counted, so that console input is let in. */
static void
test_input_is_let_in(void **state)
{
	enum { WORDS = PT_ENTRIES / 64 };

	(void)state;
	mode_long();
	for (uint64_t gva = 0; gva < LARGE_PAGE_SIZE; gva += PAGE_SIZE) {
		map_long(gva, (0x80000 + gva) | PTE_P | PTE_W, 1);
		assert_int_equal(guest_access(gva, VM_ACCESS_WRITE, false), 0x80000 + gva);
	}
	step_work = 0;
	shadow_protect(&vm);
	assert_true(step_work >= WORDS);
	step_work = 0;
	shadow_narrow(&vm, 0x80000, PAGE_SIZE);
	assert_true(step_work >= WORDS);
	step_work = 0;
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_true(step_work >= WORDS);
}

UNIT_MAIN_ON_A_CPU(SHADOW_TEST(test_accessed_and_dirty), SHADOW_TEST(test_flushes),
                   SHADOW_TEST(test_second_place_of_a_table),
                   SHADOW_TEST(test_invlpg_of_large_pages), SHADOW_TEST(test_large_becomes_small),
                   SHADOW_TEST(test_without_paging), SHADOW_TEST(test_write_protection_off),
                   SHADOW_TEST(test_copy_on_write_frames), SHADOW_TEST(test_tables_that_move),
                   SHADOW_TEST(test_double_faults), SHADOW_TEST(test_memory_is_bounded),
                   SHADOW_TEST(test_pae_roots), SHADOW_TEST(test_caching),
                   SHADOW_TEST(test_input_is_let_in))
