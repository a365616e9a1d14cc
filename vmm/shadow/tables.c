#include "vmm/shadow/shadow.h"

#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/gmem.h"
#include "vmm/vmm.h"

/*
 * What shadow tables map.  An entry remembers the guest's entry that it was made from.  Where the
 * guest empties its TLB, the two are compared, and what has changed goes.
 */

enum { LEGACY_ENTRIES = 1024 };

static unsigned int
level_of(const struct shadow_table *t)
{
	return t->role & SHADOW_LEVEL;
}

/* The guest's paging mode, as it is part of each table's role. */
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

/* Which entry of the guest's table entry i was made from. */
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

/* Finds the guest's table in the kernel's memory; false if its memory is no more. */
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

/* Does what was an entry of the guest's say something else now?  Bits that are set when it is used
 * do not count, once they are set; nor does what the processor ignores. */
static inline bool
has_changed(const struct shadow_table *t, uint64_t from, uint64_t now)
{
	const uint64_t ignored = 0xe00 | (t->role & SHADOW_LONG ? SHADOW_NUMBER : 0);
	uint64_t was = from & ~SHADOW_NUMBER;
	uint64_t differs = (was ^ now) & ~ignored;

	return differs && ((differs & ~(uint64_t)(PTE_A | PTE_D)) || (differs & was));
}

/* Drops what has changed; true if something has.  Written for speed: this is most of a load of
 * CR3. */
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
 * Compares what a table leads to, itself included.  True: all of that is watched, and as long as no
 * watch ends and nothing new is led to there is nothing to compare.
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
 * Entry i of a table leads to child.  What it did not lead to so far may have entries from before
 * a flush that has not come to them.
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

/* The tables of this address space that are there already, whoever has made them. */
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

/* The address as the guest's mode has it. */
static uint64_t
linear(const struct shadow *s, uint64_t gva)
{
	return s->role & SHADOW_LONG ? gva : (uint32_t)gva;
}

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

/* Rights that the guest's entries down to a level grant. */
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

/* The table of a level on the way to a page. */
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

		/* No TLB knows of the child here, so that the guest owes no flush for what it has
		 * changed there after the last one. */
		if ((t->entry[i] & PTE_ADDR) != kva_pa(child->entry))
			s->epoch++;
		gone |= lead_to(v, t, i, page->entry[level], child);
		t = child;
	}
	return set(t, pt_index(gva, (int)level), leaf, page->entry[level]) || gone;
}

static bool
drop_changed(struct shadow_table *t, unsigned int i)
{
	if (!t->entry[i] || !has_changed(t, t->from[i], guest_entry(t, i)))
		return false;
	shadow_drop(t, i);
	return true;
}

/* Both halves of a 4 MiB page, or what is shared with its neighbour. */
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

uint64_t
shadow_leaf_gpa(const struct shadow_table *t, unsigned int i)
{
	uint64_t span = pt_span((int)level_of(t));

	if (t->role & SHADOW_DIRECT)
		return t->gpa + i * span;
	if ((t->role & SHADOW_LEGACY) && level_of(t) == 2)
		return gmem_4m_base((uint32_t)t->from[i]) + (i & 1) * span;
	return t->from[i] & PTE_ADDR & ~(span - 1);
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
 * CR0.WP, so that the first write to a clean page faults whoever makes it.  PAE, since our tables
 * have its format; NXE, so that a fault says when it was a fetch.  Without paging in the guest
 * there is none of its rights either.
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
