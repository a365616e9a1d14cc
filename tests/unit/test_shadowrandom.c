// SOURCES: vmm/shadow/tables.c vmm/shadow/pool.c vmm/shadow/watch.c vmm/shadow/fault.c vmm/gmem.c
// SOURCES: tests/unit/shadowvm.c tests/unit/shadowaccess.c tests/unit/guesttables.c
// SOURCES: kern/step.c tests/unit/pages.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include "inc/x86.h"
#include "kern/mem/page.h"
#include "tests/unit/cpu.h"
#include "tests/unit/shadowaccess.h"
#include "tests/unit/shadowvm.h"

/*
 * Shadow tables against a plain walk of the guest's tables, in each paging mode.  A guest edits its
 * tables at random, flushes what the architecture demands, and accesses memory.  Through the
 * shadow, as a processor walks it, an access must reach the address that the guest's tables say.
 *
 * The tables are random: recursive, shared, and used at every level.  After an edit comes INVLPG of
 * all addresses in use, or a load of CR3, unless the edit fills an entry that was not present.
 */

enum { ROUNDS = 12000, PAE_TOPS = 3 };

static const uint64_t windows[] = {0,          0x1ff000,   0x200000,   0x3ff000,
                                   0x400000,   0x7ff000,   0x40000000, 0x40201000,
                                   0xc0000000, 0xffc00000, 0xfffff000};

static uint64_t
random_entry(bool wide)
{
	static const uint64_t bits[] = {PTE_W, PTE_U, PTE_PS, PTE_A, PTE_D, PTE_G};
	uint64_t e = below(16) ? PTE_P : 0;

	for (unsigned int i = 0; i < ARRAY_SIZE(bits); i++)
		if (bits[i] == PTE_PS ? !below(5) : below(3))
			e |= bits[i];
	if (wide && !below(6))
		e |= PTE_NX;
	if (!below(60))
		return e | (wide ? BIT(23 + below(40)) : BIT(12 + below(20)));
	if (e & PTE_PS)
		return e | below(6) * LARGE_PAGE_SIZE;
	return e | (TABLES + below(TABLE_PAGES) * PAGE_SIZE);
}

static void
random_edit(bool wide)
{
	uint64_t table = TABLES + below(TABLE_PAGES) * PAGE_SIZE;
	uint64_t window = windows[below(ARRAY_SIZE(windows))];
	int level = 1 + (int)below(4);

	shadow_written(&vm, table);
	if (wide)
		*entry64(table, pt_index(window, level)) = random_entry(true);
	else
		*entry32(table, (unsigned int)(window >> (below(2) ? 22 : 12) & 1023)) =
		        (uint32_t)random_entry(false);
}

/* Mostly the level that the table has. */
static uint64_t
random_root(void)
{
	if (below(4))
		return vcpu.shadow->guest.cr3;
	return vcpu.shadow->role & SHADOW_PAE ? pae_top(below(PAE_TOPS))
	                                      : TABLES + below(3) * PAGE_SIZE;
}

static void
random_flush(void)
{
	if (below(2)) {
		shadow_set_reg(&vcpu, HV_CR3, random_root());
		return;
	}
	for (unsigned int i = 0; i < ARRAY_SIZE(windows); i++)
		shadow_invlpg(&vcpu, windows[i]);
}

/* Makes PAE's four top entries valid, as a load of CR3 requires. */
static void
pae_tops(void)
{
	for (unsigned int n = 0; n < PAE_TOPS; n++)
		for (unsigned int i = 0; i < SHADOW_PDPTES; i++)
			*entry64(pae_top(n), i) = (TABLES + below(TABLE_PAGES) * PAGE_SIZE) | PTE_P;
	shadow_set_reg(&vcpu, HV_CR3, pae_top(0));
}

static void
random_rounds(bool wide)
{
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t gva = windows[below(ARRAY_SIZE(windows))] + below(PAGE_SIZE);
		bool exec = !below(4);

		if (!below(3)) {
			for (unsigned int n = below(8); n > 0; n--)
				random_edit(wide);
			random_flush();
		}
		if (!below(8))
			vcpu.shadow->watch_at = 0;
		if (!below(50))
			large_frames = !large_frames, shadow_narrow(&vm, 0, RAM);
		if (!below(50))
			shadow_set_reg(&vcpu, HV_CR0, vcpu.shadow->guest.cr0 ^ CR0_WP);
		compare(gva, exec ? VM_ACCESS_EXEC : 1 << below(2), below(2));
	}
}

static void
test_random_long(void **state)
{
	(void)state;
	most_watched = 0;
	mode_long();
	random_rounds(true);
	shadow_set_reg(&vcpu, HV_CR4, CR4_PAE | CR4_SMEP);
	random_rounds(true);
	shadow_set_reg(&vcpu, HV_EFER, EFER_LME | EFER_LMA);
	random_rounds(true);
	assert_true(most_watched > 8);
}

static void
test_random_smap(void **state)
{
	(void)state;
	mode_long();
	shadow_set_reg(&vcpu, HV_CR4, CR4_PAE | CR4_SMAP | CR4_SMEP);
	for (unsigned int i = 0; i < 100; i++) {
		shadow_set_reg(&vcpu, HV_CR0, vcpu.shadow->guest.cr0 | CR0_WP);
		rflags ^= RFLAGS_AC;
		for (unsigned int n = 0; n < 100; n++) {
			random_edit(true);
			random_flush();
			compare(windows[below(ARRAY_SIZE(windows))], 1 << below(3), below(2));
		}
	}
}

static void
test_random_pae(void **state)
{
	(void)state;
	mode_pae();
	for (unsigned int i = 0; i < 4; i++) {
		pae_tops();
		random_rounds(true);
	}
}

static void
test_random_legacy(void **state)
{
	(void)state;
	mode_legacy();
	random_rounds(false);
	shadow_set_reg(&vcpu, HV_CR4, 0);
	random_rounds(false);
}

UNIT_MAIN_ON_A_CPU(SHADOW_TEST(test_random_long), SHADOW_TEST(test_random_smap),
                   SHADOW_TEST(test_random_pae), SHADOW_TEST(test_random_legacy))
