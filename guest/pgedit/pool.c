#include "guest/pgedit/pgedit.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/*
 * The frames.  The pool consists of regions as large as a large page.  Each region has a frame at
 * each index in use, so that a large page over it shows its frames at addresses that small pages
 * use, too.
 */

enum { WORDS = PAGE_SIZE / 4, STUB_WORD = PG_STUB / 4 };

/*
 * Returns a word of a data frame.  No such word looks like a present entry, since the processor may
 * still walk a frame that was a table.
 */
static uint32_t
pattern(unsigned int frame, unsigned int word)
{
	uint32_t id = (frame + 1) << 8;

	if (word == STUB_WORD)
		return 0xb8 | id << 8; /* mov $id, %eax */
	if (word == STUB_WORD + 1)
		return 0x9030cd00 | id >> 24; /* int $0x30 */
	return id << 12 | word << 1;
}

uint64_t
pg_frame_pa(const struct pg *t, unsigned int frame)
{
	unsigned int lows = t->format->lows;

	return t->pool + ((uint64_t)(frame / lows) << pg_shift(t, 2)) +
	       t->low[frame % lows] * PAGE_SIZE;
}

int
pg_frame_at(const struct pg *t, uint64_t pa)
{
	unsigned int lows = t->format->lows;
	uint64_t offset = pa - t->pool, page;

	if (pa < t->pool || offset >= PG_POOL)
		return -1;
	page = offset >> PAGE_SHIFT & (BIT(t->format->index_bits) - 1);
	for (unsigned int i = 0; i < lows; i++)
		if (t->low[i] == page)
			return (int)((uint32_t)(offset >> pg_shift(t, 2)) * lows + i);
	return -1;
}

/*
 * PAE's roots cannot serve as lower tables: the accessed bit, which a walk would set, is reserved
 * there.
 */
bool
pg_walks(const struct pg *t, unsigned int level, uint64_t pa)
{
	int frame = pg_frame_at(t, pa);

	return frame >= 0 &&
	       (t->format != &pg_pae || (frame < PG_ROOTS) == (level == t->format->levels));
}

static uint32_t *
image_word(const struct pg *t, uint64_t pa)
{
	return &t->image[pg_frame_at(t, pa)][(pa % PAGE_SIZE) / 4];
}

static volatile uint32_t *
real_word(const struct pg *t, uint64_t pa)
{
	return (volatile uint32_t *)(t->memory + (size_t)(pa - t->pool));
}

uint32_t
pg_word(const struct pg *t, uint64_t pa)
{
	return *image_word(t, pa);
}

void
pg_set_word(struct pg *t, uint64_t pa, uint32_t value)
{
	*image_word(t, pa) = value;
}

uint32_t
pg_real_word(const struct pg *t, uint64_t pa)
{
	return *real_word(t, pa);
}

void
pg_put_word(struct pg *t, uint64_t pa, uint32_t value)
{
	pg_set_word(t, pa, value);
	*real_word(t, pa) = value;
}

uint64_t
pg_entry(const struct pg *t, uint64_t at)
{
	const uint32_t *word = image_word(t, at);

	return t->format->entry_bytes == 4 ? word[0] : word[0] | (uint64_t)word[1] << 32;
}

void
pg_put_entry(struct pg *t, uint64_t at, uint64_t value)
{
	pg_set_word(t, at, (uint32_t)value);
	if (t->format->entry_bytes == 4) {
		*real_word(t, at) = (uint32_t)value;
		return;
	}
	pg_set_word(t, at + 4, (uint32_t)(value >> 32));
	*(volatile uint64_t *)real_word(t, at) = value;
}

/* Notes what the processor may hold of a table's entries, before they go. */
static void
note_entries(struct pg *t, unsigned int frame)
{
	const uint64_t pa = pg_frame_pa(t, frame);

	for (unsigned int i = 0; i < t->format->lows; i++)
		pg_tlb_before(t, pa + (uint64_t)t->low[i] * t->format->entry_bytes);
}

void
pg_make_data(struct pg *t, unsigned int frame)
{
	const uint64_t pa = pg_frame_pa(t, frame);

	note_entries(t, frame);
	if (t->level[frame])
		t->tables--;
	t->level[frame] = 0;
	for (unsigned int i = 0; i < WORDS; i++)
		pg_put_word(t, pa + i * 4, pattern(frame, i));
}

void
pg_make_table(struct pg *t, unsigned int frame, unsigned int level)
{
	const uint64_t pa = pg_frame_pa(t, frame);

	note_entries(t, frame);
	if (!t->level[frame])
		t->tables++;
	t->level[frame] = level;
	memset((void *)real_word(t, pa), 0, PAGE_SIZE);
	memset(t->image[frame], 0, PAGE_SIZE);
}

/*
 * Returns the index of the first word of a frame that differs, or WORDS.  One instruction does it,
 * since it is most of the test's work.
 */
static unsigned int
first_difference(const struct pg *t, unsigned int frame)
{
	const volatile uint32_t *real = real_word(t, pg_frame_pa(t, frame));
	const uint32_t *image = t->image[frame];
	size_t left = WORDS;
	bool equal;

	__asm__ volatile("repe cmpsl"
	                 : "+S"(image), "+D"(real), "+c"(left), "=@ccz"(equal)
	                 :
	                 : "memory");
	return equal ? WORDS : WORDS - 1 - (unsigned int)left;
}

bool
pg_image_holds(const struct pg *t, uint64_t *pa)
{
	for (unsigned int frame = 0; frame < t->frames; frame++) {
		unsigned int word = first_difference(t, frame);

		*pa = pg_frame_pa(t, frame) + word * 4;
		if (word < WORDS)
			return false;
	}
	return true;
}

uint32_t
pg_stub_value(const struct pg *t, uint64_t pa)
{
	return pg_word(t, pa) >> 8 | pg_word(t, pa + 4) << 24;
}
