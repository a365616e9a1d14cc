#include "guest/bench/process.h"

#include "guest/bench/workload.h"
#include "guest/kernel/aspace.h"
#include "guest/kernel/mem.h"
#include "guest/kernel/trap.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/* Processes: what a kernel does to their page tables, and a model of what must come of it. */

enum { WORDS = 8, WORD_STEP = PAGE_SIZE / WORDS, USER_PAGE = PTE_P | PTE_W | PTE_U };

/* Addresses of text, a mapping and the stack. */
static const uint64_t areas[AREAS] = {0x400000, 0x1000000000, 0x7fffffff0000};

static struct {
	struct process *all, *current;
	unsigned int n;
	uint64_t kernel_cr3;
	trap_hook *hook_before;
	struct process_counts counts;
} now;

static uint64_t
address_of(unsigned int page)
{
	return areas[page / AREA_PAGES] + page % AREA_PAGES * PAGE_SIZE;
}

/* Returns the page at an address, or PAGES outside of the areas. */
static unsigned int
page_at(uint64_t va)
{
	for (unsigned int i = 0; i < AREAS; i++)
		if (va - areas[i] < AREA_PAGES * PAGE_SIZE)
			return i * AREA_PAGES + (va - areas[i]) / PAGE_SIZE;
	return PAGES;
}

/* Returns word n of a page with this stamp. */
static uint64_t
word_of(uint32_t stamp, unsigned int n)
{
	return ((uint64_t)stamp << 8 | n) * 0x9e3779b97f4a7c15;
}

static void
fill(uint64_t va, uint32_t stamp)
{
	for (unsigned int n = 0; n < WORDS; n++)
		faulting_store(va + n * WORD_STEP, word_of(stamp, n));
}

static uint64_t *
entry_of(unsigned int page)
{
	return aspace_entry(now.current->root, address_of(page), false);
}

static void
flush(unsigned int page)
{
	invlpg(address_of(page));
	now.counts.invlpgs++;
}

/* Maps a LAZY page at its first access.  Needs no flush: an absent page is in no TLB. */
static bool
map_lazy(struct page *p, uint64_t va)
{
	uint64_t *entry = aspace_entry(now.current->root, va, true);
	uint64_t frame = entry ? frame_alloc() : 0;

	if (!frame)
		return false;
	fill((uint64_t)direct(frame), p->stamp);
	*entry = frame | USER_PAGE;
	*p = (struct page){.state = MAPPED, .stamp = p->stamp};
	return true;
}

/*
 * Handles the first write to a read-only page.  A frame without other users becomes writable: the
 * fault has dropped the TLB entry (SDM vol. 3, "Operations that Invalidate TLBs and
 * Paging-Structure Caches"), so an added right needs no flush.  A frame with other users is copied;
 * the new address is flushed, as other processors would need it.
 */
static bool
make_writable(struct page *p, unsigned int page)
{
	uint64_t *entry = entry_of(page), old = *entry & PTE_ADDR, frame;

	if (frame_is_shared(old)) {
		frame = frame_alloc();
		if (!frame)
			return false;
		memcpy(direct(frame), direct(old), PAGE_SIZE);
		frame_drop(old);
		*entry = frame | USER_PAGE;
		flush(page);
		now.counts.copies++;
	} else {
		*entry |= PTE_W;
	}
	p->read_only = false;
	return true;
}

/* A fault that the model does not explain ends the innermost try_run(). */
static void
on_page_fault(struct trapframe *tf)
{
	uint64_t va = read_cr2();
	unsigned int page = page_at(va);
	struct page *p = now.current && page < PAGES ? &now.current->pages[page] : NULL;
	bool done = false;

	now.counts.faults++;
	now.counts.checksum = checksum_add(now.counts.checksum, va ^ tf->error);
	if (p && p->state == LAZY && !(tf->error & PF_P))
		done = map_lazy(p, va);
	else if (p && p->state == MAPPED && p->read_only && tf->error == (PF_P | PF_W))
		done = make_writable(p, page);
	if (!done)
		trap_unwind(tf);
}

void
processes_begin(struct process *all, unsigned int n)
{
	memset(all, 0, n * sizeof(*all));
	memset(&now, 0, sizeof(now));
	now.all = all;
	now.n = n;
	now.kernel_cr3 = read_cr3();
	now.counts.checksum = CHECKSUM_START;
	now.hook_before = trap_set_hook(X86_PF, on_page_fault);
}

void
processes_end(void)
{
	for (unsigned int i = 0; i < now.n; i++)
		process_end(&now.all[i]);
	process_switch(NULL);
	trap_set_hook(X86_PF, now.hook_before);
}

const struct process_counts *
process_counts(void)
{
	return &now.counts;
}

void
process_switch(struct process *p)
{
	write_cr3(p ? p->root : now.kernel_cr3);
	now.current = p;
	now.counts.switches++;
}

bool
process_create(struct process *p)
{
	memset(p, 0, sizeof(*p));
	p->root = aspace_create();
	return p->root != 0;
}

/* Lets parent and child share a page's frame, read-only, until one of them writes to it. */
static bool
fork_page(struct process *child, unsigned int page)
{
	struct page *p = &now.current->pages[page];
	uint64_t *from, *to;

	if (p->state == MAPPED) {
		from = entry_of(page);
		to = aspace_entry(child->root, address_of(page), true);
		if (!to)
			return false;
		*from &= ~(uint64_t)PTE_W;
		*to = *from & ~(uint64_t)(PTE_A | PTE_D);
		frame_share(*from & PTE_ADDR);
		p->read_only = true;
	}
	child->pages[page] = *p;
	child->pages[page].accessed = child->pages[page].dirty = false;
	return true;
}

bool
process_fork(struct process *child)
{
	bool done = process_create(child);

	for (unsigned int page = 0; done && page < PAGES; page++)
		done = fork_page(child, page);
	process_switch(now.current); /* flushes the rights that the parent has lost */
	now.counts.forks++;
	return done;
}

void
process_end(struct process *p)
{
	if (now.current == p)
		process_switch(NULL);
	if (p->root)
		aspace_destroy(p->root);
	p->root = 0;
}

enum page_state
page_state(unsigned int page)
{
	return now.current->pages[page].state;
}

void
page_read(unsigned int page)
{
	struct page *p = &now.current->pages[page];
	unsigned int faults = now.counts.faults + (p->state == LAZY);

	for (unsigned int n = p->stamp % WORDS; n < WORDS; n += 3) {
		uint64_t word = faulting_load(address_of(page) + n * WORD_STEP);

		now.counts.reads++;
		now.counts.wrong_values += word != word_of(p->stamp, n);
		now.counts.checksum = checksum_add(now.counts.checksum, word);
	}
	p->accessed = true;
	now.counts.wrong_faults += now.counts.faults != faults;
}

void
page_write(unsigned int page, uint32_t stamp)
{
	struct page *p = &now.current->pages[page];
	unsigned int faults = now.counts.faults + (p->state == LAZY || p->read_only);

	fill(address_of(page), stamp);
	p->stamp = stamp;
	p->accessed = p->dirty = true;
	now.counts.wrong_faults += now.counts.faults != faults;
}

static void
read_word(void *at)
{
	faulting_load((uint64_t)at);
}

void
page_probe(unsigned int page)
{
	struct fault f;

	if (!try_run(read_word, (void *)address_of(page), &f) || f.vector != X86_PF || f.error != 0)
		now.counts.wrong_faults++;
}

void
page_reserve(unsigned int page, uint32_t stamp)
{
	struct page *p = &now.current->pages[page];

	if (p->state == HOLE)
		*p = (struct page){.state = LAZY, .stamp = stamp};
}

void
page_unmap(unsigned int page)
{
	struct page *p = &now.current->pages[page];
	uint64_t *entry, frame;

	if (p->state == MAPPED) {
		entry = entry_of(page);
		frame = *entry & PTE_ADDR;
		*entry = 0;
		flush(page);
		frame_drop(frame);
	}
	*p = (struct page){.state = HOLE};
}

void
page_protect(unsigned int page)
{
	struct page *p = &now.current->pages[page];

	if (p->state != MAPPED)
		return;
	*entry_of(page) &= ~(uint64_t)PTE_W;
	flush(page);
	p->read_only = true;
}

/*
 * Compares the accessed and dirty bits with the model, and clears them.  A processor may set the
 * accessed bit without need, but not the dirty bit.
 */
void
page_clean(unsigned int page)
{
	struct page *p = &now.current->pages[page];
	uint64_t *entry;

	if (p->state != MAPPED)
		return;
	entry = entry_of(page);
	now.counts.wrong_bits += p->accessed && !(*entry & PTE_A);
	now.counts.wrong_bits += p->dirty != ((*entry & PTE_D) != 0);
	if (*entry & (PTE_A | PTE_D)) {
		*entry &= ~(uint64_t)(PTE_A | PTE_D);
		flush(page);
	}
	p->accessed = p->dirty = false;
}

void
pages_swap(unsigned int a, unsigned int b)
{
	struct page *pages = now.current->pages, page = pages[a];
	uint64_t *first, *second, entry;

	if (pages[a].state != MAPPED || pages[b].state != MAPPED)
		return;
	first = entry_of(a);
	second = entry_of(b);
	entry = *first;
	*first = *second;
	*second = entry;
	flush(a);
	flush(b);
	pages[a] = pages[b];
	pages[b] = page;
}

void
area_unmap(unsigned int area)
{
	for (unsigned int i = 0; i < AREA_PAGES; i++)
		page_unmap(area * AREA_PAGES + i);
	aspace_drop_table(now.current->root, areas[area]);
	flush(area * AREA_PAGES); /* drops what the processor caches of upper levels */
}
