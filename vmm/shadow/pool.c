#include "vmm/shadow/shadow.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/mem/page.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/string.h"
#include "vmm/gmem.h"

/*
 * The shadow tables of a vCPU.  A table is found by its gpa and role, not by the tables that point
 * to it.  So when address spaces of the guest share a table, they share its shadow.  The number of
 * tables is bounded.
 */

enum {
	NOTES_PER_PAGE = PAGE_SIZE / sizeof(struct shadow_table),
	NONE = 0xff, /* the number of no note */
	NUMBER_SHIFT = 52,
	ENOUGH = SHADOW_TABLES / 4, /* if a sweep leaves fewer free tables, all are freed */
};
_Static_assert(SHADOW_NOTE_PAGES *NOTES_PER_PAGE >= SHADOW_TABLES, "a note for each table");
_Static_assert(SHADOW_TABLES < 0xff && SHADOW_TABLES <= SHADOW_NUMBER >> NUMBER_SHIFT,
               "a table's number fits where it is kept");

static struct shadow_table *
note(const struct shadow *s, unsigned int number)
{
	return &s->notes[number / NOTES_PER_PAGE][number % NOTES_PER_PAGE];
}

static void *
take_page(struct shadow *s, int flags)
{
	struct page *p = page_alloc(PAGE_KERNEL | PAGE_PROMISED | flags);

	if (!p)
		panic("there is no page for a shadow table, although pages are set aside");
	s->pages++;
	return kva(page_pa(p));
}

static void
give_page(struct shadow *s, void *page)
{
	if (!page)
		return;
	page_unref(pa_page(kva_pa(page)));
	if (page_reserve(1) < 0)
		panic("a page that has just become free cannot be reserved");
	s->pages--;
}

int
shadow_pool_init(struct shadow *s)
{
	int err = page_reserve(SHADOW_PAGES);

	if (err < 0)
		return err;
	for (unsigned int i = 0; i < SHADOW_NOTE_PAGES; i++)
		s->notes[i] = take_page(s, PAGE_ZERO);
	for (unsigned int i = 0; i < SHADOW_TABLES; i++) {
		note(s, i)->number = (uint8_t)i;
		note(s, i)->next = i + 1 < SHADOW_TABLES ? (uint8_t)(i + 1) : NONE;
	}
	memset(s->chain, NONE, sizeof(s->chain));
	s->unused = 0;
	s->changes = 1;
	return 0;
}

static uint8_t *
chain_of(struct shadow *s, uint64_t gpa)
{
	return &s->chain[(gpa / PAGE_SIZE ^ gpa / LARGE_PAGE_SIZE) % SHADOW_CHAINS];
}

struct shadow_table *
shadow_find(struct shadow *s, uint64_t gpa, uint32_t role)
{
	struct shadow_table *t;

	for (uint8_t i = *chain_of(s, gpa); i != NONE; i = t->next) {
		t = note(s, i);
		if (t->gpa == gpa && t->role == role)
			return t;
	}
	return NULL;
}

bool
shadow_find_watched(struct shadow *s, uint64_t gpa)
{
	const struct shadow_table *t;

	for (uint8_t i = *chain_of(s, gpa); i != NONE; i = t->next) {
		t = note(s, i);
		if (t->gpa == gpa && t->watched)
			return true;
	}
	return false;
}

/* Has a table with this role a from[]? */
static bool
has_from(uint32_t role)
{
	return !(role & SHADOW_DIRECT) || (role & SHADOW_LEVEL) > 1;
}

struct shadow_table *
shadow_get(struct shadow *s, uint64_t gpa, uint32_t role)
{
	struct shadow_table *t = shadow_find(s, gpa, role);
	uint8_t *chain = chain_of(s, gpa);

	if (t)
		return t;
	assert(s->unused != NONE);
	t = note(s, s->unused);
	s->unused = t->next;
	s->tables++;
	*t = (struct shadow_table){.gpa = gpa, .role = role, .number = t->number, .next = *chain};
	*chain = t->number;
	t->entry = take_page(s, PAGE_ZERO);
	if (has_from(role))
		t->from = take_page(s, 0);
	return t;
}

static void
unchain(struct shadow *s, const struct shadow_table *t)
{
	uint8_t *link = chain_of(s, t->gpa);

	while (*link != t->number)
		link = &note(s, *link)->next;
	*link = t->next;
}

static void
table_free(struct shadow *s, struct shadow_table *t)
{
	unchain(s, t);
	give_page(s, t->entry);
	give_page(s, t->from);
	t->entry = NULL;
	s->watched -= t->watched;
	t->watched = false;
	t->next = s->unused;
	s->unused = t->number;
	s->tables--;
}

struct shadow_table *
shadow_child(const struct shadow *s, const struct shadow_table *t, unsigned int i)
{
	if ((t->role & SHADOW_LEVEL) == 1 || (t->entry[i] & PTE_PS))
		return NULL;
	return note(s, (t->from[i] & SHADOW_NUMBER) >> NUMBER_SHIFT);
}

void
shadow_link(const struct shadow *s, struct shadow_table *t, unsigned int i, uint64_t from,
            const struct shadow_table *child)
{
	/* In PAE's top entries the bits of rights are reserved. */
	uint64_t rights = t == &s->pae ? 0 : PTE_W | PTE_U | PTE_A;

	t->entry[i] = kva_pa(child->entry) | PTE_P | rights;
	t->from[i] = (from & ~SHADOW_NUMBER) | (uint64_t)child->number << NUMBER_SHIFT;
	t->used[i / 64] |= BIT(i % 64);
}

/* Marks a table and all tables below it. */
static void
reach(const struct shadow *s, struct shadow_table *t)
{
	struct shadow_table *child;

	if (t->checked == s->epoch)
		return;
	t->checked = s->epoch;
	step(STEP_SMALL);
	for (unsigned int i = 0; (t->role & SHADOW_LEVEL) > 1 && shadow_next(t, &i); i++)
		if ((child = shadow_child(s, t, i)))
			reach(s, child);
}

/* Frees the tables that the root does not reach. */
static void
sweep(struct shadow *s)
{
	s->epoch++;
	reach(s, s->root);
	for (unsigned int i = 0; i < SHADOW_TABLES; i++)
		if (note(s, i)->entry && note(s, i)->checked != s->epoch)
			table_free(s, note(s, i));
	s->epoch++; /* the marked tables have not been compared */
}

bool
shadow_make_room(struct shadow *s, unsigned int n)
{
	if (s->tables + n <= SHADOW_TABLES)
		return false;
	sweep(s);
	if (s->tables + ENOUGH > SHADOW_TABLES)
		shadow_clear(s);
	return true;
}

void
shadow_empty(struct shadow_table *t)
{
	for (unsigned int i = 0; shadow_next(t, &i); i++)
		shadow_drop(t, i);
}

void
shadow_clear(struct shadow *s)
{
	for (unsigned int i = 0; i < SHADOW_TABLES; i++)
		if (note(s, i)->entry && note(s, i) != s->root)
			table_free(s, note(s, i));
	if (s->root)
		shadow_empty(s->root);
}

/* Lets console input in, as kern/step.h asks: up to 64 entries are a step. */
static void
let_input_in(const struct shadow_table *t)
{
	for (unsigned int word = 0; word < PT_ENTRIES / 64; word++)
		if (t->used[word])
			step(STEP_SMALL);
}

void
shadow_visit(struct shadow *s, shadow_visit_t fn, void *arg)
{
	for (unsigned int i = 0; i < SHADOW_TABLES; i++) {
		if (!note(s, i)->entry)
			continue;
		let_input_in(note(s, i));
		fn(arg, s, note(s, i));
	}
}

uint64_t
shadow_leaf_gpa(const struct shadow_table *t, unsigned int i)
{
	uint64_t span = pt_span((int)(t->role & SHADOW_LEVEL));

	if (t->role & SHADOW_DIRECT)
		return t->gpa + i * span;
	if ((t->role & SHADOW_LEGACY) && (t->role & SHADOW_LEVEL) == 2)
		return gmem_4m_base((uint32_t)t->from[i]) + (i & 1) * span;
	return t->from[i] & PTE_ADDR & ~(span - 1);
}

void
shadow_pool_free(struct shadow *s)
{
	s->root = NULL;
	shadow_clear(s);
	for (unsigned int i = 0; i < SHADOW_NOTE_PAGES; i++)
		give_page(s, s->notes[i]);
	page_unreserve(SHADOW_PAGES);
}
