#ifndef NESTLING_KERN_PAGE_H
#define NESTLING_KERN_PAGE_H

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
	uint32_t refs;	/* references to this 4 KiB page alone */
	uint32_t large; /* head of a 2 MiB frame: references to the whole */
	struct page *next, *prev; /* in a free list */
	uint8_t free;
	uint8_t compound; /* part of a 2 MiB frame that is whole */
	uint8_t kernel;	  /* belongs to the host: tables, image, kernel data */
};

enum { PAGE_ZERO = 1, PAGE_KERNEL = 2 };

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

struct page *pa_page(uint64_t pa); /* NULL outside RAM */
uint64_t page_pa(const struct page *p);

/* A 4 KiB page with refs 1, or NULL. */
struct page *page_alloc(int flags);
/* A whole 2 MiB frame with large 1, or NULL; zeroed with PAGE_ZERO. */
struct page *page_alloc_large(int flags);
void page_ref(struct page *p);
void page_unref(struct page *p); /* frees at 0 */
void page_ref_large(struct page *head);
void page_unref_large(struct page *head);
/* The only reference to this 4 KiB page, counting those to the whole frame around it? */
bool page_exclusive(const struct page *p);

/*
 * Promises: n free pages are set aside for later faults, which therefore never
 * fail.  -E_NO_MEM when free pages less earlier promises do not suffice.
 * page_alloc takes promised pages only with a promise in hand: PAGE_PROMISED.
 */
enum { PAGE_PROMISED = 4 };
int page_reserve(uint64_t n);
void page_unreserve(uint64_t n);

struct page_counts {
	uint64_t total, free, reserved, large;
};
void page_counts(struct page_counts *c);

#endif
