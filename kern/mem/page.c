#include "kern/mem/page.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/step.h"
#include "lib/assert.h"
#include "lib/string.h"

/*
 * The frame allocator.  Single pages come from `small_list`; when it is empty,
 * a free 2 MiB frame is split.  Frames are joined again only when a large
 * allocation finds none: each head counts the pages of its frame that are in
 * use, so that a frame that can be joined is known without looking at its pages.
 */

#define LOW_END 0x100000

struct page *page_frames;
static uint64_t page_total; /* entries of page_frames[], a multiple of FRAME_PAGES */
static uint64_t ram_end;

static struct page small_list = {.next = &small_list, .prev = &small_list};
static struct page large_list = {.next = &large_list, .prev = &large_list};
static uint64_t ram_pages, free_pages, reserved_pages;
static uint64_t allocs;       /* ever made */
static uint64_t whole_frames; /* free, in large_list */
static uint64_t loose_frames; /* free, but all of their pages are in small_list */

static void
list_push(struct page *list, struct page *p)
{
	p->next = list->next;
	p->prev = list;
	p->next->prev = p;
	list->next = p;
	p->free = 1;
}

static void
list_remove(struct page *p)
{
	p->prev->next = p->next;
	p->next->prev = p->prev;
	p->next = p->prev = NULL;
	p->free = 0;
}

static struct page *
list_pop(struct page *list)
{
	struct page *p = list->next;

	if (p == list)
		return NULL;
	list_remove(p);
	return p;
}

static struct page *
head_of(const struct page *p)
{
	return &page_frames[(p - page_frames) & ~(ptrdiff_t)(FRAME_PAGES - 1)];
}

struct page *
pa_page(uint64_t pa)
{
	uint64_t i = pa >> PAGE_SHIFT;

	return i < page_total && page_frames[i].ram ? &page_frames[i] : NULL;
}

uint64_t
page_pa(const struct page *p)
{
	return (uint64_t)(p - page_frames) << PAGE_SHIFT;
}

uint64_t
page_ram_end(void)
{
	return ram_end;
}

void
page_array(uint64_t *base, uint64_t *size)
{
	*base = kva_pa(page_frames);
	*size = ROUND_UP(page_total * sizeof *page_frames, PAGE_SIZE);
}

/* One more page of a frame that is not whole is in use, or one less. */
static void
count_used(struct page *head, int change)
{
	loose_frames -= head->used == 0;
	head->used += change;
	loose_frames += head->used == 0;
}

static void
whole_add(struct page *head)
{
	head->compound = 1;
	whole_frames++;
	list_push(&large_list, head);
}

static struct page *
whole_take(void)
{
	struct page *head = list_pop(&large_list);

	if (head)
		whole_frames--;
	return head;
}

/* The pages of a frame to which nobody refers go to the list of single pages, the lowest to its
 * front. */
static void
frame_break(struct page *head)
{
	head->compound = 0;
	for (int i = FRAME_PAGES - 1; i >= 0; i--) {
		if (head[i].refs || !head[i].ram)
			continue;
		head[i].kernel = 0;
		list_push(&small_list, &head[i]);
	}
	loose_frames += head->used == 0;
}

/* Joins the pages of a frame that is free page by page.  NULL when there is none. */
static struct page *
frame_join(void)
{
	if (!loose_frames)
		return NULL;
	for (struct page *head = page_frames;; head += FRAME_PAGES) {
		assert(head < page_frames + page_total);
		if (head->compound || head->used)
			continue;
		for (int i = 0; i < FRAME_PAGES; i++)
			list_remove(&head[i]);
		loose_frames--;
		head->compound = 1;
		return head;
	}
}

/* Accounts for taking n pages: promised ones, or others. */
static bool
count_take(uint64_t n, int flags)
{
	if (flags & PAGE_PROMISED) {
		assert(reserved_pages >= n);
		reserved_pages -= n;
	} else if (free_pages - reserved_pages < n) {
		return false;
	}
	free_pages -= n;
	allocs++;
	return true;
}

struct page *
page_alloc(int flags)
{
	struct page *p;

	if (!count_take(1, flags))
		return NULL;
	if (small_list.next == &small_list)
		frame_break(whole_take());
	p = list_pop(&small_list);
	assert(p->refs == 0);
	count_used(head_of(p), 1);
	p->refs = 1;
	p->kernel = !!(flags & PAGE_KERNEL);
	if (flags & PAGE_ZERO)
		memset(kva(page_pa(p)), 0, PAGE_SIZE);
	return p;
}

/* So long that what is typed meanwhile would overrun the serial port. */
static void
zero_large(struct page *head)
{
	enum { PORTION = 64 * 1024 };
	char *to = kva(page_pa(head));

	for (uint64_t done = 0; done < LARGE_PAGE_SIZE; done += PORTION) {
		memset(to + done, 0, PORTION);
		step(STEP_LARGE);
	}
}

struct page *
page_alloc_large(int flags)
{
	struct page *head;

	if (!whole_frames && !loose_frames)
		return NULL;
	if (!count_take(FRAME_PAGES, flags))
		return NULL;
	head = whole_take();
	if (!head)
		head = frame_join();
	assert(head->large == 0 && head->used == 0);
	head->large = 1;
	head->kernel = !!(flags & PAGE_KERNEL);
	if (flags & PAGE_ZERO)
		zero_large(head);
	return head;
}

void
page_ref(struct page *p)
{
	struct page *head = head_of(p);

	assert(p->ram && (p->refs || (head->compound && head->large)));
	if (!p->refs++)
		head->used++;
}

void
page_unref(struct page *p)
{
	struct page *head = head_of(p);

	assert(p->ram && p->refs);
	if (--p->refs)
		return;
	if (head->compound) { /* references to the whole frame are left */
		head->used--;
		return;
	}
	p->kernel = 0;
	free_pages++;
	list_push(&small_list, p);
	count_used(head, -1);
}

void
page_ref_large(struct page *head)
{
	assert(head == head_of(head) && head->compound && head->large);
	head->large++;
}

void
page_unref_large(struct page *head)
{
	assert(head == head_of(head) && head->compound && head->large);
	if (--head->large)
		return;
	free_pages += FRAME_PAGES - head->used;
	if (head->used) {
		frame_break(head);
	} else {
		head->kernel = 0;
		whole_add(head);
	}
}

bool
page_exclusive(const struct page *p)
{
	const struct page *head = head_of(p);

	return p->refs + (uint64_t)(head->compound ? head->large : 0) == 1;
}

unsigned int
page_shared_large(const struct page *head)
{
	return head->large > 1 ? FRAME_PAGES : head->used;
}

int
page_reserve(uint64_t n)
{
	if (free_pages - reserved_pages < n)
		return -E_NO_MEM;
	reserved_pages += n;
	return 0;
}

void
page_unreserve(uint64_t n)
{
	assert(reserved_pages >= n);
	reserved_pages -= n;
}

void
page_counts(struct page_counts *c)
{
	c->total = ram_pages;
	c->free = free_pages;
	c->reserved = reserved_pages;
	c->large = whole_frames + loose_frames;
}

uint64_t
page_allocs(void)
{
	return allocs;
}

/* Boot: where the array goes and what it says. */

static uint64_t
range_end(const struct mem_range *r)
{
	return r->size > PAGE_RAM_LIMIT || r->base > PAGE_RAM_LIMIT - r->size ? PAGE_RAM_LIMIT
	                                                                      : r->base + r->size;
}

/* The end of a range in use that overlaps [start, end), or 0. */
static uint64_t
range_in_the_way(const struct mem_range *ranges, unsigned int count, uint64_t start, uint64_t end)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct mem_range *r = &ranges[i];

		if (r->kind != MEM_RAM && r->size && r->base < end && range_end(r) > start)
			return range_end(r);
	}
	return 0;
}

/* A place for `size` bytes in unused RAM between the first MiB and `limit`. */
static uint64_t
range_find_room(const struct mem_range *ranges, unsigned int count, uint64_t size, uint64_t limit)
{
	for (unsigned int i = 0; i < count; i++) {
		const struct mem_range *r = &ranges[i];
		uint64_t end = range_end(r) < limit ? range_end(r) : limit;
		uint64_t base = r->base > LOW_END ? r->base : LOW_END;
		uint64_t next;

		if (r->kind != MEM_RAM)
			continue;
		for (;;) {
			base = ROUND_UP(base, PAGE_SIZE);
			if (base > end || end - base < size)
				break;
			next = range_in_the_way(ranges, count, base, base + size);
			if (!next)
				return base;
			base = next;
		}
	}
	panic("no room for the page array of %llu KiB below %llu MiB: give the machine more memory",
	      (unsigned long long)size >> 10, (unsigned long long)limit >> 20);
}

/* Enters a range into the array: RAM only where a page lies in it whole, else wherever it touches
 * one. */
static void
range_mark(const struct mem_range *r)
{
	uint64_t base = r->base > LOW_END ? r->base : LOW_END, end = range_end(r);

	base = r->kind == MEM_RAM ? ROUND_UP(base, PAGE_SIZE) : ROUND_DOWN(base, PAGE_SIZE);
	end = r->kind == MEM_RAM ? ROUND_DOWN(end, PAGE_SIZE) : ROUND_UP(end, PAGE_SIZE);
	for (uint64_t i = base >> PAGE_SHIFT; i < end >> PAGE_SHIFT && i < page_total; i++) {
		struct page *p = &page_frames[i];

		if (r->kind == MEM_RAM) {
			p->ram = 1;
		} else if (r->kind == MEM_HOLE) {
			*p = (struct page){0};
		} else if (p->ram) {
			p->refs = 1;
			p->kernel = 1;
		}
	}
}

/* Puts a frame, or what of it is free, into the lists. */
static void
frame_init(struct page *head)
{
	for (int i = 0; i < FRAME_PAGES; i++) {
		ram_pages += head[i].ram;
		head->used += head[i].refs || !head[i].ram;
	}
	free_pages += FRAME_PAGES - head->used;
	if (head->used)
		frame_break(head);
	else
		whole_add(head);
}

void
page_init(const struct mem_range *ranges, unsigned int count, uint64_t mapped)
{
	struct mem_range array = {.kind = MEM_BUSY};

	for (unsigned int i = 0; i < count; i++)
		if (ranges[i].kind == MEM_RAM && ranges[i].base < PAGE_RAM_LIMIT &&
		    range_end(&ranges[i]) > ram_end)
			ram_end = range_end(&ranges[i]);
	page_total = ROUND_UP(ram_end, LARGE_PAGE_SIZE) >> PAGE_SHIFT;
	array.size = ROUND_UP(page_total * sizeof *page_frames, PAGE_SIZE);
	array.base = range_find_room(ranges, count, array.size, mapped);
	page_frames = kva(array.base);
	memset(page_frames, 0, array.size);

	for (enum mem_kind kind = MEM_RAM; kind <= MEM_HOLE; kind++)
		for (unsigned int i = 0; i < count; i++)
			if (ranges[i].kind == kind)
				range_mark(&ranges[i]);
	range_mark(&array);
	/* Downwards, so that the lowest memory is given out first: the boot tables map no more. */
	for (uint64_t i = page_total; i; i -= FRAME_PAGES)
		frame_init(&page_frames[i - FRAME_PAGES]);
}
