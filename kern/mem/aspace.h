#ifndef NESTLING_KERN_MEM_ASPACE_H
#define NESTLING_KERN_MEM_ASPACE_H

#include "kern/mem/page.h"
#include "kern/mem/pt.h"

/*
 * Address spaces.  Copy-on-write and zero-on-demand are one mechanism here,
 * aspace_fault(), which serves user page faults, kernel copies from and to
 * users, fork, and nested page faults alike.
 *
 * User entries carry software bits: PTE_COW (present, not writable, shared:
 * copy on write), PTE_SHARE (shared on purpose: fork shares it too), and the
 * marker PTE_ZERO (not present: a zeroed page on first touch, promised).  A marker
 * stands in a level-1 entry, or in a level-2 entry for a whole 2 MiB, which then
 * gets a 2 MiB frame where there is one.
 */
#define PTE_COW   0x200
#define PTE_SHARE 0x400
#define PTE_ZERO  0x800

/* Users map [USER_BASE, USER_END): not page 0, to catch NULL, and not the last one, behind which
 * an instruction's successor has an address that is not canonical. */
#define USER_BASE PAGE_SIZE
#define USER_END  (ULIM - PAGE_SIZE)

enum { ACCESS_READ = 1, ACCESS_WRITE = 2, ACCESS_EXEC = 4 };

/* Hears of every mapping that is about to be removed or narrowed. */
struct aspace_watcher {
	void (*narrow)(struct aspace_watcher *w, uint64_t va, uint64_t size);
	/* Nothing may be written any more without another fault; what is mapped stays. */
	void (*protect)(struct aspace_watcher *w);
	struct aspace_watcher *next;
};

struct aspace {
	struct pt pt;
	uint64_t tlb_gen; /* kern/mem/tlb.c: how often entries went, or came to allow less */
	bool held;        /* kern/mem/tlb.c: from tlb_hold() to tlb_flush() */
	uint32_t refs;    /* Envs */
	uint64_t pages;   /* 4 KiB pages present */
	struct aspace_watcher *watchers;
};

struct frame {
	uint64_t pa;   /* of the frame that holds the address, its start */
	uint64_t size; /* PAGE_SIZE or LARGE_PAGE_SIZE */
	bool writable; /* may be written without another fault */
};

struct aspace *aspace_create(void); /* refs 1; NULL without memory */
/* Each in turn, index from 0 to ENV_MAX - 1; NULL: none there. */
const struct aspace *aspace_at(unsigned int index);
void aspace_get(struct aspace *as);
void aspace_put(struct aspace *as); /* frees everything with the last reference */

/*
 * Zero-on-demand memory.  perm: PTE_W and PTE_NX as wanted, but nothing is both writable and
 * executable.  -E_INVAL, -E_NO_MEM, -E_EXISTS; on failure nothing has changed.
 */
int aspace_map_zero(struct aspace *as, uint64_t va, uint64_t size, uint64_t perm);
/*
 * One page, with a reference of its own.  perm may hold PTE_W, PTE_NX, PTE_SHARE, PTE_COW.  To a
 * page that is mapped writable others keep references only with PTE_SHARE, or forks would copy it.
 * To one mapped with PTE_COW (which goes without PTE_W) the caller keeps its own for good.
 */
int aspace_map_page(struct aspace *as, uint64_t va, struct page *p, uint64_t perm);
/* Removes whatever is mapped in the range, after telling the watchers. */
int aspace_unmap(struct aspace *as, uint64_t va, uint64_t size);
/* Copy-on-write copy of all of src's user memory into the empty dst; reserves in full. */
int aspace_copy(struct aspace *dst, struct aspace *src);

/*
 * The page at va, ready to be shared with another address space: it is faulted in, taken out of
 * its 2 MiB frame and marked PTE_SHARE if it is writable.  *perm: what to map it with there.
 * No reference is taken.  -E_FAULT.
 */
int aspace_share(struct aspace *as, uint64_t va, struct page **p, uint64_t *perm);

/* 4 KiB pages of the range that somebody else refers to, too. */
uint64_t aspace_shared(struct aspace *as, uint64_t va, uint64_t size);

/* Resolves a fault at va: -E_FAULT when the access is not allowed there. */
int aspace_fault(struct aspace *as, uint64_t va, int access);
/* The frame behind va, faulted in for the access. */
int aspace_frame(struct aspace *as, uint64_t va, int access, struct frame *out);

void aspace_watch(struct aspace *as, struct aspace_watcher *w);
void aspace_unwatch(struct aspace *as, struct aspace_watcher *w);

/* Between kern/mem/aspace.c and kern/mem/fault.c. */

/* Replaces a 2 MiB entry, a frame or a marker, by a table of 4 KiB entries. */
void aspace_split(struct aspace *as, pte_t *entry);
/* Holds the other CPUs, tells the watchers.  Comes before the change, and tlb_flush() after it. */
void aspace_narrow(struct aspace *as, uint64_t va, uint64_t size);

#endif
