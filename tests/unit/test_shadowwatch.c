// SOURCES: vmm/shadow/tables.c vmm/shadow/pool.c vmm/shadow/watch.c vmm/shadow/fault.c vmm/gmem.c
// SOURCES: tests/unit/shadowvm.c tests/unit/shadowaccess.c tests/unit/guesttables.c
// SOURCES: kern/step.c tests/unit/pages.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "tests/unit/cpu.h"
#include "tests/unit/shadowaccess.h"
#include "tests/unit/shadowvm.h"

/* Tables of the guest that are write-protected instead of compared at each flush. */

/*
 * A table that does not change is watched: it is not compared until a write faults or is reported.
 * large_frames: a 2 MiB page around the table must be mapped in pieces.
 */
static void
test_watched_tables(void **state)
{
	const uint64_t leaf_table = TABLES + 3 * PAGE_SIZE, gva = leaf_table;
	uint32_t error;

	(void)state;
	mode_long();
	large_frames = true;
	map_long(0, 0 | PTE_P | PTE_W | PTE_PS, 2);
	*entry64(TABLES + 2 * PAGE_SIZE, 1) = leaf_table | PTE_P | PTE_W;
	*entry64(leaf_table, 5) = 0x80000 | PTE_P | PTE_W;
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x80000);
	assert_int_equal(guest_access(gva, VM_ACCESS_WRITE, false), gva);
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), gva);
	for (unsigned int i = 0; i < SHADOW_QUIET; i++)
		shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(vcpu.shadow->watched, 4);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), -1);
	assert_int_equal(guest_access(gva, VM_ACCESS_READ, false), gva);
	assert_int_equal(walk_shadow(gva, VM_ACCESS_WRITE, false, &error), -1);
	/* The neighbouring page is no table. */
	assert_int_equal(guest_access(gva + PAGE_SIZE, VM_ACCESS_WRITE, false), gva + PAGE_SIZE);
	assert_int_equal(vcpu.shadow->watched, 4);
	check_watched();
	assert_int_equal(guest_access(gva, VM_ACCESS_WRITE, false), gva);
	assert_int_equal(vcpu.shadow->watched, 3);
	*entry64(leaf_table, 5) = 0x81000 | PTE_P | PTE_W;
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(guest_access(0x205000, VM_ACCESS_READ, false), 0x81000);
}

static void
watch_all(void)
{
	mode_long();
	map_long(0x5000, 0x80000 | PTE_P | PTE_W | PTE_A, 1);
	for (unsigned int i = 0; i <= SHADOW_WATCH_EVERY; i++) {
		guest_access(0x5000, VM_ACCESS_READ, false);
		shadow_set_reg(&vcpu, HV_CR3, TABLES);
	}
	assert_int_equal(vcpu.shadow->watched, 4);
}

/* A table that may be written in another way than through a shadow is compared again. */
static void
test_watching_ends(void **state)
{
	const uint64_t entry = 0x82000 | PTE_P | PTE_W;
	uint64_t table = TABLES + 3 * PAGE_SIZE;

	(void)state;
	watch_all();
	assert_int_equal(gphys_write(&vm, table + 5 * sizeof(entry), &entry, sizeof(entry)), 0);
	assert_int_equal(vcpu.shadow->watched, 3);
	shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(guest_access(0x5000, VM_ACCESS_READ, false), 0x82000);
	watch_all();
	shadow_narrow(&vm, table, PAGE_SIZE);
	assert_int_equal(vcpu.shadow->watched, 3);
	watch_all();
	shadow_set_reg(&vcpu, HV_CR0, CR0_PE);
	assert_int_equal(vcpu.shadow->watched, 0);
	/* Another vCPU may write, too. */
	vm.vcpu_count = 2;
	mode_long();
	for (unsigned int i = 0; i < 2 * SHADOW_WATCH_EVERY; i++)
		shadow_set_reg(&vcpu, HV_CR3, TABLES);
	assert_int_equal(vcpu.shadow->watched, 0);
	vm.vcpu_count = 1;
}

UNIT_MAIN_ON_A_CPU(SHADOW_TEST(test_watched_tables), SHADOW_TEST(test_watching_ends))
