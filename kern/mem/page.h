#ifndef NESTLING_KERN_MEM_PAGE_H
#define NESTLING_KERN_MEM_PAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/memlayout.h"
#include "inc/mmu.h"

/*
 * Physical frames.  A 2 MiB frame can be allocated as a whole; it carries its
 * references in its head page (`large`) and, for parts mapped by 4 KiB, in
 * each page.  When the last whole reference goes, it falls apart into pages.
 */
struct page {
	uint32_t refs;            /* references to this 4 KiB page alone */
	uint32_t large;           /* head of a 2 MiB frame: references to the whole */
	struct page *next, *prev; /* in a free list */
	uint16_t used;            /* head: how many pages of the frame are not free, or no RAM */
	uint8_t compound;         /* head: the frame is whole, allocated or free */
	uint8_t free;             /* in a free list */
	uint8_t kernel;           /* belongs to the host: tables, image, kernel data */
	uint8_t ram;
};

extern struct page *page_frames; /* by frame number */

enum { PAGE_ZERO = 1, PAGE_KERNEL = 2 };
enum { FRAME_PAGES = LARGE_PAGE_SIZE / PAGE_SIZE };

/*
 * RAM above is not used.  2^32 references to one page would take page tables
 * of this size, so that no counter can overflow.
 */
#define PAGE_RAM_LIMIT (32ull << 30)

/*
 * Boot: a stretch of physical memory.  Busy is RAM in use, which page_unref
 * frees.  Where stretches overlap, the later kind counts.
 */
enum mem_kind { MEM_RAM, MEM_BUSY, MEM_HOLE };
struct mem_range {
	uint64_t base, size;
	enum mem_kind kind;
};

/*
 * Builds the array of struct page in RAM below `mapped`, the part that the
 * boot page tables map, and the free lists.  The first MiB is never used: the
 * firmware keeps data there.  Panics when there is no room.
 */
void page_init(const struct mem_range *ranges, unsigned int count, uint64_t mapped);
/* The address behind the last RAM. */
uint64_t page_ram_end(void);
/* Where the array of struct page is: hpa and bytes, whole pages. */
void page_array(uint64_t *base, uint64_t *size);

/* Direct map: hpa <-> kernel virtual address. */
static inline void *
kva(uint64_t pa)
{
	return (void *)(DIRECT_BASE + pa);
}

static inline uint64_t
kva_pa(const void *va)
{
	return (uint64_t)va - DIRECT_BASE;
}

/* hpa of what lies in the kernel's image. */
static inline uint64_t
image_pa(const void *p)
{
	return (uint64_t)p - KERNBASE;
}

struct page *pa_page(uint64_t pa); /* NULL outside RAM */
uint64_t page_pa(const struct page *p);

/* A 4 KiB page with refs 1, or NULL. */
struct page *page_alloc(int flags);
/* A whole 2 MiB frame with large 1, or NULL.  head[0] to head[FRAME_PAGES - 1] are its pages. */
struct page *page_alloc_large(int flags);
void page_ref(struct page *p);
/* The same for the page of a 4 KiB entry, which holds a reference already. */
static inline void
page_ref_again(uint64_t pa)
{
	page_frames[pa >> PAGE_SHIFT].refs++;
}
void page_unref(struct page *p); /* frees at 0 */
void page_ref_large(struct page *head);
void page_unref_large(struct page *head);
/* The only reference to this 4 KiB page, counting those to the whole frame around it? */
bool page_exclusive(const struct page *p);
/* For one of the references to a whole frame: how many of its pages somebody else refers to. */
unsigned int page_shared_large(const struct page *head);

/*
 * Promises: n free pages are set aside for later faults, which therefore never
 * fail.  -E_NO_MEM when free pages less earlier promises do not suffice.
 * page_alloc takes promised pages only with a promise in hand: PAGE_PROMISED
 * uses up one, or FRAME_PAGES of them for a 2 MiB frame.  With a promise
 * page_alloc cannot fail; page_alloc_large can, and then uses up none.
 */
enum { PAGE_PROMISED = 4 };
int page_reserve(uint64_t n);
void page_unreserve(uint64_t n);

/* In 4 KiB pages; large: 2 MiB frames that are free. */
struct page_counts {
	uint64_t total, free, reserved, large;
};
void page_counts(struct page_counts *c);
/* Frames that were ever allocated, of either size. */
uint64_t page_allocs(void);

/* Boot: allocates, splits, joins and frees.  Panics when the counts do not agree afterwards. */
void page_check(void);

#endif
