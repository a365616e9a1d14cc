#include "lib/user/user.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/*
 * First fit over one free list, sorted by address so that neighbours merge.
 * The heap grows from UHEAP_BASE by whole zero-on-demand pages and never
 * shrinks.
 */

enum { ALIGNMENT = 16, HEAP_STEP = 16 * PAGE_SIZE };
#define HEAP_MAX (1ull << 36)

struct block {
	size_t size; /* with this header, a multiple of ALIGNMENT */
	struct block *next;
};
_Static_assert(sizeof(struct block) == ALIGNMENT, "the header keeps what follows it aligned");

static struct block *free_list;
static size_t heap_size;

static void
release(struct block *b)
{
	struct block **link = &free_list;

	while (*link && *link < b) {
		struct block *before = *link;

		if ((char *)before + before->size == (char *)b) {
			before->size += b->size;
			b = before;
			break;
		}
		link = &before->next;
	}
	if (*link != b) {
		b->next = *link;
		*link = b;
	}
	if (b->next && (char *)b + b->size == (char *)b->next) {
		b->size += b->next->size;
		b->next = b->next->next;
	}
}

static bool
grow(size_t need)
{
	size_t size = ROUND_UP(need, HEAP_STEP);
	struct block *b = (struct block *)(UHEAP_BASE + heap_size);

	if (size > HEAP_MAX - heap_size || sys_mem_map(b, size) < 0)
		return false;
	heap_size += size;
	b->size = size;
	release(b);
	return true;
}

static struct block *
take(size_t size)
{
	for (struct block **link = &free_list; *link; link = &(*link)->next) {
		struct block *b = *link;

		if (b->size < size)
			continue;
		if (b->size - size > sizeof *b) {
			struct block *rest = (struct block *)((char *)b + size);

			rest->size = b->size - size;
			rest->next = b->next;
			b->size = size;
			*link = rest;
		} else {
			*link = b->next;
		}
		return b;
	}
	return NULL;
}

/* Memory is not cleared.  NULL when there is none. */
void *
malloc(size_t size)
{
	struct block *b;

	if (size > HEAP_MAX)
		return NULL;
	size = ROUND_UP(size + sizeof *b, ALIGNMENT);
	b = take(size);
	if (!b && grow(size))
		b = take(size);
	return b ? b + 1 : NULL;
}

void
free(void *p)
{
	if (p)
		release((struct block *)p - 1);
}
