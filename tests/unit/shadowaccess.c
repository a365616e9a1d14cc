#include "tests/unit/shadowaccess.h"

#include <string.h>

#include "inc/x86.h"
#include "kern/lock.h"
#include "kern/mem/page.h"
#include "tests/unit/shadowvm.h"
#include "tests/unit/unit.h"

unsigned int most_watched;

/* Walks the shadow tables for an access, as the processor does.  -1: a page fault with *error. */
int64_t
walk_shadow(uint64_t gva, uint32_t access, bool user, uint32_t *error)
{
	struct shadow_regs hw;
	uint64_t allowed = PTE_W | PTE_U, nx = 0;
	const uint64_t *table;
	int level;

	shadow_hardware(vcpu.shadow, &hw);
	assert_true(hw.cr4 & CR4_PAE);
	*error = (access & VM_ACCESS_WRITE ? PF_W : 0) | (user ? PF_U : 0) |
	         (access & VM_ACCESS_EXEC ? PF_I : 0);
	if (hw.efer & EFER_LMA) {
		table = kva(hw.cr3);
		level = 4;
	} else {
		uint64_t pdpte = vcpu.shadow->pae.entry[gva >> 30 & 3];

		assert_int_equal(pdpte & ~PTE_ADDR & ~(uint64_t)PTE_P, 0);
		if (!(pdpte & PTE_P))
			return -1;
		table = kva(pdpte & PTE_ADDR);
		level = 2;
	}
	for (;; level--) {
		uint64_t e = table[pt_index(gva, level)];
		uint64_t offset = gva & (pt_span(level) - 1);

		if (!(e & PTE_P))
			return -1;
		allowed &= e;
		nx |= e & PTE_NX;
		if (level > 1 && !(e & PTE_PS)) {
			table = kva(e & PTE_ADDR);
			continue;
		}
		*error |= PF_P;
		if ((user && !(allowed & PTE_U)) || ((access & VM_ACCESS_EXEC) && nx) ||
		    ((access & VM_ACCESS_WRITE) && !(allowed & PTE_W)))
			return -1;
		if (!user && (allowed & PTE_U) && (access & VM_ACCESS_EXEC) && (hw.cr4 & CR4_SMEP))
			return -1;
		if (!user && (allowed & PTE_U) && !(access & VM_ACCESS_EXEC) &&
		    (hw.cr4 & CR4_SMAP) && !(rflags & RFLAGS_AC))
			return -1;
		return (uint8_t *)kva((e & PTE_ADDR) + offset) - ram;
	}
}

/* Makes an access as the guest.  Returns its gpa, or its other result. */
int64_t
guest_access(uint64_t gva, uint32_t access, bool user)
{
	memset(&got, 0, sizeof(got));
	for (int tries = 0; tries < 3; tries++) {
		struct hv_exit x = {.qual = gva};
		uint32_t error;
		int64_t gpa = walk_shadow(gva, access, user, &error);

		if (gpa >= 0)
			return gpa;
		x.intr.event.error = error;
		shadow_fault(&vcpu, &x);
		assert_int_equal(kernel_lock.holder, 0);
		if (got.pf)
			return FAULTED;
		if (got.mmio)
			return DEVICE;
		if (got.no_memory)
			return TABLE_OUTSIDE;
	}
	fail_msg("%#lx faults for ever", gva);
	return 0;
}

/* Walks the guest's own tables, by gmem_walk.  The bits that it sets are taken back. */
static int64_t
plain_access(uint64_t gva, uint32_t access, bool user, uint32_t *error)
{
	static uint8_t kept[TABLE_PAGES * PAGE_SIZE];
	struct gmem_fault f = {0};
	struct gmem_page page;
	int err;

	memcpy(kept, ram + TABLES, sizeof(kept));
	err = gmem_page(&vcpu, gva, access, user, &page, &f);
	memcpy(ram + TABLES, kept, sizeof(kept));
	*error = f.error;
	if (err < 0)
		return f.kind == GMEM_PF ? FAULTED : TABLE_OUTSIDE;
	return page.gpa < RAM ? (int64_t)page.gpa : DEVICE;
}

/* No shadow entry lets the guest write to a table that is watched. */
static void
check_leaves(void *arg, struct shadow *s, struct shadow_table *t)
{
	(void)arg;
	for (unsigned int i = 0; shadow_next(t, &i); i++) {
		uint64_t span = pt_span((int)(t->role & SHADOW_LEVEL));
		uint64_t gpa = shadow_is_leaf(t, i) ? shadow_leaf_gpa(t, i) : UINT64_MAX;

		for (uint64_t off = 0; off < span && gpa < RAM && (t->entry[i] & PTE_W);
		     off += PAGE_SIZE)
			assert_false(shadow_find_watched(s, gpa + off));
	}
}

void
check_watched(void)
{
	shadow_visit(vcpu.shadow, check_leaves, NULL);
	if (vcpu.shadow->watched > most_watched)
		most_watched = vcpu.shadow->watched;
}

/* After an access, a walk for it finds all accessed and dirty bits set. */
static void
check_marked(uint64_t gva, uint32_t access, bool user)
{
	static uint8_t kept[TABLE_PAGES * PAGE_SIZE];
	struct gmem_fault f;
	struct gmem_page page;

	memcpy(kept, ram + TABLES, sizeof(kept));
	assert_int_equal(gmem_page(&vcpu, gva, access, user, &page, &f), 0);
	assert_memory_equal(kept, ram + TABLES, sizeof(kept));
}

void
compare(uint64_t gva, uint32_t access, bool user)
{
	uint32_t error;
	int64_t want, found;

	cpl = user ? 3 : 0;
	want = plain_access(gva, access, user, &error);
	found = guest_access(gva, access, user);
	if (found != want || (want == FAULTED && (got.error != error || got.gva != gva)))
		fail_msg("%#lx, access %u, %s: %#lx (error %#x), the tables say %#lx (%#x)", gva,
		         access, user ? "user" : "supervisor", found, got.error, want, error);
	if (found >= 0)
		check_marked(gva, access, user);
	if (!below(16))
		check_watched();
}
