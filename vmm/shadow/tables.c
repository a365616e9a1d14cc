#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/slots.h"
#include "vmm/vmm.h"

/*
 * The entries of shadow tables.  Each entry remembers the guest's entry that it was made from. When
 * the guest empties its TLB, the remembered entries are compared with the guest's tables, and those
 * that differ are dropped.
 */

enum { LEGACY_ENTRIES = 1024 };

static unsigned int
level_of(const struct shadow_table *t)
{
	return t->role & SHADOW_LEVEL;
}

/* Returns the guest's paging mode as a part of a table's role; 0: paging is off. */
static uint32_t
mode_of(const struct shadow_regs *g)
{
	uint32_t role;

	if (!(g->cr0 & CR0_PG))
		return 0;
	role = g->efer & EFER_LMA ? SHADOW_LONG : g->cr4 & CR4_PAE ? SHADOW_PAE : SHADOW_LEGACY;
	return role | (g->cr0 & CR0_WP ? SHADOW_WP : 0) | (g->cr4 & CR4_SMEP ? SHADOW_SMEP : 0) |
	       (g->cr4 & CR4_PSE ? SHADOW_PSE : 0) | (g->efer & EFER_NXE ? SHADOW_NXE : 0);
}

/* Returns the index in the guest's table of the entry that entry i is made from. */
static unsigned int
guest_index(const struct shadow_table *t, unsigned int i)
{
	unsigned int quarter = BITS(t->role, 4, SHADOW_QUARTER_SHIFT);

	if (!(t->role & SHADOW_LEGACY))
		return i;
	return level_of(t) == 1 ? quarter * PT_ENTRIES + i : quarter * (LEGACY_ENTRIES / 4) + i / 2;
}

static uint64_t
guest_entry(const struct shadow_table *t, unsigned int i)
{
	unsigned int index = guest_index(t, i);

	return t->role & SHADOW_LEGACY ? ((const volatile uint32_t *)t->guest)[index]
	                               : ((const volatile uint64_t *)t->guest)[index];
}

/* Finds the kernel address of the guest's table.  Returns false if there is no memory any more. */
static bool
find_guest(const struct vm *vm, struct shadow_table *t)
{
	const struct vm_slot *slot;
	struct frame frame;
	uint64_t hva;

	if (t->guest && t->guest_gen == vm->tlb_gen)
		return true;
	t->guest = NULL;
	t->guest_gen = vm->tlb_gen;
	if (!(slot = vm_slot_find(vm, t->gpa)))
		return false;
	hva = slot->hva + (t->gpa - slot->gpa);
	if (aspace_frame(vm->as, hva, ACCESS_READ, &frame) < 0)
		return false;
	t->guest = (const char *)kva(frame.pa) + (hva & (frame.size - 1));
	return true;
}

/* Does an entry of the guest's differ from what it was?  A and D bits count only if they have been
 * cleared, and bits that the processor ignores do not count. */
static inline bool
has_changed(const struct shadow_table *t, uint64_t from, uint64_t now)
{
	const uint64_t ignored = 0xe00 | (t->role & SHADOW_LONG ? SHADOW_NUMBER : 0);
	uint64_t was = from & ~SHADOW_NUMBER;
	uint64_t differs = (was ^ now) & ~ignored;

	return differs && ((differs & ~(uint64_t)(PTE_A | PTE_D)) || (differs & was));
}

/* Drops the entries that differ from the guest's table.  Returns whether any did.  Written for
 * speed: a load of CR3 spends most of its time here. */
static bool
compare(struct shadow_table *t)
{
	const bool legacy = t->role & SHADOW_LEGACY;
	const volatile uint64_t *guest = t->guest;
	bool changed = false;

	for (unsigned int base = 0; base < PT_ENTRIES; base += 64) {
		if (t->used[base / 64])
			step(STEP_SMALL);
		for (uint64_t left = t->used[base / 64]; left; left &= left - 1) {
			unsigned int i = base + (unsigned int)__builtin_ctzll(left);
			uint64_t now = legacy ? guest_entry(t, i) : guest[i];

			if (has_changed(t, t->from[i], now)) {
				shadow_drop(t, i);
				changed = true;
			}
		}
	}
	return changed;
}

/* Compares a table that is not watched, and counts how often in a row it was unchanged. */
static void
compare_own(const struct vm *vm, struct shadow *s, struct shadow_table *t)
{
	bool changed = true;

	if (t->watched)
		return;
	if (find_guest(vm, t))
		changed = compare(t);
	else
		shadow_empty(t);
	if (changed)
		t->quiet = 0;
	else if (t->quiet < SHADOW_QUIET && ++t->quiet == SHADOW_QUIET)
		s->quiet = true;
}

/*
 * Compares a table and all tables below it.  Returns true if all of them are watched: then there is
 * nothing to compare until s->changes grows.
 */
static bool
check(const struct vm *vm, struct shadow *s, struct shadow_table *t)
{
	bool settled;

	if ((t->role & SHADOW_DIRECT) || t->settled == s->changes)
		return true;
	if (t->checked == s->epoch)
		return false;
	t->checked = s->epoch;
	compare_own(vm, s, t);
	settled = t->watched;
	for (unsigned int i = 0; level_of(t) > 1 && shadow_next(t, &i); i++) {
		struct shadow_table *child = shadow_child(s, t, i);

		if (child && !check(vm, s, child))
			settled = false;
	}
	if (settled)
		t->settled = s->changes;
	return settled;
}

/*
 * Points entry i to child.  If that is new, child may have missed a flush of the guest's, and is
 * compared.  Returns true if the entry pointed elsewhere before.
 */
static bool
lead_to(const struct vcpu *v, struct shadow_table *t, unsigned int i, uint64_t from,
        struct shadow_table *child)
{
	pte_t old = t->entry[i];

	shadow_link(v->shadow, t, i, from, child);
	if (old == t->entry[i])
		return false;
	v->shadow->changes++;
	check(v->vm, v->shadow, child);
	return old;
}

/* Points the PAE top entries to the level-2 tables of the address space that exist already. */
static void
link_top(const struct vcpu *v)
{
	struct shadow *s = v->shadow;
	struct shadow_table *top = &s->pae, *child;
	uint64_t cr3 = s->guest.cr3 & 0xffffffe0;
	unsigned int first = cr3 % PAGE_SIZE / sizeof(uint64_t);

	top->gpa = ROUND_DOWN(cr3, PAGE_SIZE);
	top->guest = NULL;
	for (unsigned int i = 0; i < SHADOW_PDPTES; i++) {
		uint64_t gpa = top->gpa, from = 0;
		uint32_t role = s->role | 2 | SHADOW_W | SHADOW_U;

		if (!s->role) {
			gpa = i * pt_span(3);
			role |= SHADOW_DIRECT;
		} else if (s->role & SHADOW_LEGACY) {
			role |= i << SHADOW_QUARTER_SHIFT;
		} else {
			from = find_guest(v->vm, top) ? guest_entry(top, first + i) : 0;
			gpa = from & PTE_P ? from & PTE_ADDR : UINT64_MAX;
		}
		if (!(child = shadow_find(s, gpa, role)))
			continue;
		lead_to(v, top, i, from, child);
	}
}

void
shadow_reload(struct vcpu *v)
{
	struct shadow *s = v->shadow;

	if (!s->keeps)
		shadow_clear(s);
	s->role = mode_of(&s->guest);
	if (s->role & SHADOW_LONG) {
		shadow_make_room(s, 1);
		s->root = shadow_get(s, s->guest.cr3 & PTE_ADDR,
		                     s->role | PT_LEVELS | SHADOW_W | SHADOW_U);
		s->epoch++;
		check(v->vm, s, s->root);
	} else {
		shadow_empty(&s->pae);
		s->root = &s->pae;
		s->epoch++;
		link_top(v);
	}
	if (s->role)
		shadow_watch(v);
	else
		shadow_unwatch(s, 0, UINT64_MAX);
}

/* Returns gva as the guest's mode has it: 32 bits outside long mode. */
static uint64_t
linear(const struct shadow *s, uint64_t gva)
{
	return s->role & SHADOW_LONG ? gva : (uint32_t)gva;
}

/* Sets entry i to a leaf.  Returns true if there was another entry before. */
static bool
set(struct shadow_table *t, unsigned int i, pte_t leaf, uint64_t from)
{
	pte_t old = t->entry[i];

	t->entry[i] = leaf;
	if (t->from)
		t->from[i] = from & ~SHADOW_NUMBER;
	t->used[i / 64] |= BIT(i % 64);
	return old && old != leaf;
}

/* Returns the rights that the guest's entries grant from the root down to a level. */
static uint32_t
granted(const struct shadow *s, const struct gmem_page *page, unsigned int level)
{
	uint64_t allowed = PTE_W | PTE_U, nx = 0;

	for (unsigned int l = s->role & SHADOW_LONG ? 4 : 2; l >= level; l--) {
		allowed &= page->entry[l];
		nx |= page->entry[l] & PTE_NX;
	}
	return (allowed & PTE_W ? SHADOW_W : 0) | (allowed & PTE_U ? SHADOW_U : 0) |
	       (nx ? SHADOW_NX : 0);
}

/* Returns the table of a level on the way to gva; makes the table if need be. */
static struct shadow_table *
table_for(struct shadow *s, uint64_t gva, const struct gmem_page *page, unsigned int level,
          uint32_t leaf_rights)
{
	uint32_t role = s->role | level;

	if (level < page->leaf)
		return shadow_get(s, ROUND_DOWN(page->gpa, pt_span((int)level + 1)),
		                  role | SHADOW_DIRECT | leaf_rights);
	if (s->role & SHADOW_LEGACY)
		role |= (level == 2 ? gva >> 30 & 3 : gva >> 21 & 1) << SHADOW_QUARTER_SHIFT;
	return shadow_get(s, page->table[level], role | granted(s, page, level + 1));
}

bool
shadow_map(const struct vcpu *v, uint64_t gva, pte_t leaf, bool may_write,
           const struct gmem_page *page)
{
	struct shadow *s = v->shadow;
	uint32_t rights = (may_write ? SHADOW_W : 0) | (leaf & PTE_U ? SHADOW_U : 0) |
	                  (leaf & PTE_NX ? SHADOW_NX : 0);
	bool gone = shadow_make_room(s, PT_LEVELS - 1);
	unsigned int level, last = leaf & PTE_PS ? 2 : 1;
	struct shadow_table *t = s->root;

	gva = linear(s, gva);
	for (level = level_of(t); level > last; level--) {
		struct shadow_table *child = table_for(s, gva, page, level - 1, rights);
		unsigned int i = pt_index(gva, (int)level);

		/* No TLB has entries of the child from here.  So the guest may have changed its own
		 * table without a flush; in a new epoch, lead_to() compares the child again. */
		if ((t->entry[i] & PTE_ADDR) != kva_pa(child->entry))
			s->epoch++;
		gone |= lead_to(v, t, i, page->entry[level], child);
		t = child;
	}
	return set(t, pt_index(gva, (int)level), leaf, page->entry[level]) || gone;
}

/* Drops entry i if it differs from the guest's.  Returns true if it did. */
static bool
drop_changed(struct shadow_table *t, unsigned int i)
{
	if (!t->entry[i] || !has_changed(t, t->from[i], guest_entry(t, i)))
		return false;
	shadow_drop(t, i);
	return true;
}

/* Drops entry i in the same way, or in any case if the guest's table is not RAM any more.  In
 * 32-bit paging, also drops its twin at level 2, which is made from the same entry of the guest's.
 */
static bool
drop_changed_entries(const struct vm *vm, struct shadow_table *t, unsigned int i)
{
	bool pair = (t->role & SHADOW_LEGACY) && level_of(t) == 2;
	bool gone;

	if (!find_guest(vm, t)) {
		gone = t->entry[i];
		if (gone)
			shadow_drop(t, i);
		return gone;
	}
	gone = drop_changed(t, i);
	return (pair && drop_changed(t, i ^ 1)) || gone;
}

bool
shadow_unmap(struct vcpu *v, uint64_t gva)
{
	struct shadow *s = v->shadow;
	struct shadow_table *t = s->root;
	bool gone = false;

	s->epoch++;
	gva = linear(s, gva);
	while (t && !(t->role & SHADOW_DIRECT)) {
		unsigned int i = pt_index(gva, (int)level_of(t));

		if (t != &s->pae)
			gone |= drop_changed_entries(v->vm, t, i);
		t = t->entry[i] ? shadow_child(s, t, i) : NULL;
	}
	return gone;
}

struct stretch {
	uint64_t gpa, size;
};

static void
forget_in(void *arg, struct shadow *s, struct shadow_table *t)
{
	const struct stretch *gone = arg;
	uint64_t span = pt_span((int)level_of(t));

	(void)s;
	for (unsigned int i = 0; shadow_next(t, &i); i++) {
		uint64_t gpa;

		if (!shadow_is_leaf(t, i))
			continue;
		gpa = shadow_leaf_gpa(t, i);
		if (gpa < gone->gpa + gone->size && gone->gpa < gpa + span)
			shadow_drop(t, i);
	}
}

void
shadow_forget(struct shadow *s, uint64_t gpa, uint64_t size)
{
	struct stretch gone = {gpa, size};

	shadow_visit(s, forget_in, &gone);
	shadow_unwatch(s, gpa, size);
}

static void
protect_in(void *arg, struct shadow *s, struct shadow_table *t)
{
	(void)arg;
	(void)s;
	for (unsigned int i = 0; shadow_next(t, &i); i++)
		if (shadow_is_leaf(t, i))
			t->entry[i] &= ~(pte_t)PTE_W;
}

void
shadow_protect_all(struct shadow *s)
{
	shadow_visit(s, protect_in, NULL);
}

/*
 * The processor runs the guest with CR0.WP, so that the first write to a clean page faults even if
 * the supervisor makes it; with PAE, which is the format of shadow tables; and with NXE, so that a
 * page fault says whether it was a fetch.  While the guest has paging off, SMEP, SMAP and long mode
 * are off.
 */
void
shadow_hardware(const struct shadow *s, struct shadow_regs *hw)
{
	const struct shadow_regs *g = &s->guest;
	bool paging = g->cr0 & CR0_PG;

	hw->cr0 = g->cr0 | CR0_PG | CR0_WP;
	hw->cr3 = s->root == &s->pae ? (uint64_t)s->pae.entry - KERNBASE : kva_pa(s->root->entry);
	hw->cr4 = (g->cr4 | CR4_PAE) & ~(uint64_t)(paging ? 0 : CR4_SMEP | CR4_SMAP);
	hw->efer = (g->efer | EFER_NXE) & ~(uint64_t)(paging ? 0 : EFER_LME | EFER_LMA);
}
