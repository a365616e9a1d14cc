#ifndef NESTLING_VMM_SHADOW_SHADOW_H
#define NESTLING_VMM_SHADOW_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/mem/pt.h"
#include "vmm/ops.h"

/*
 * Shadow paging (docs/shadow-paging.md).  The processor walks shadow tables, which map the guest's
 * virtual addresses (gva) straight to frames (hpa).  The shadow tables are a software TLB of the
 * guest: a page fault shows that an entry is missing, and the handler fills it in.  When the guest
 * does what empties a TLB, the entries are compared with the guest's own tables.
 */

struct aspace_watcher;
struct gmem_page;
struct vcpu;
struct vm;

/* The registers that control paging. */
struct shadow_regs {
	uint64_t cr0, cr3, cr4, efer;
};

enum {
	SHADOW_TABLES = 126,   /* most tables of a vCPU */
	SHADOW_NOTE_PAGES = 4, /* pages for the array of struct shadow_table */
	/* Most pages of a vCPU's shadow: entry[] and from[] of each table, and the notes. */
	SHADOW_PAGES = SHADOW_NOTE_PAGES + 2 * SHADOW_TABLES,
	SHADOW_PDPTES = 4,
	SHADOW_CHAINS = 64,       /* hash chains, by gpa */
	SHADOW_QUIET = 4,         /* a table is watched when it was found unchanged this often */
	SHADOW_WATCH_EVERY = 256, /* epochs from one start of watches to the next: it takes long */
};

/* In an entry of `from`: the number of a shadow table.  In long mode the processor ignores these
 * bits of a guest's entry; in the other modes they are 0. */
#define SHADOW_NUMBER 0x07f0000000000000ull

/*
 * The role of a shadow table, together with its gpa, says what it is a shadow of: the guest's table
 * at gpa, used at this level, in this paging mode, with these rights.  A direct table is a shadow
 * of no table: it maps a part of a guest's large page, the memory from gpa on, in smaller pieces.
 */
enum {
	SHADOW_LEVEL = 7,
	/* Two bits, for 32-bit paging: which part of the guest's table.  The guest's tables have
	 * 1024 entries.  At level 1 these are two parts of 512.  At level 2 they are four parts of
	 * 256, since an entry of the guest's maps 4 MiB and a shadow entry 2 MiB. */
	SHADOW_QUARTER_SHIFT = 3,
	SHADOW_DIRECT = 1 << 5,
	/* Rights: what the guest's entries above this table grant.  Direct: what all entries do. */
	SHADOW_W = 1 << 6,
	SHADOW_U = 1 << 7,
	SHADOW_NX = 1 << 8,
	/* Paging mode: what the guest has switched on. */
	SHADOW_WP = 1 << 9,
	SHADOW_SMEP = 1 << 10,
	SHADOW_NXE = 1 << 11,
	SHADOW_PSE = 1 << 12,
	SHADOW_LEGACY = 1 << 13, /* 32-bit paging */
	SHADOW_PAE = 1 << 14,
	SHADOW_LONG = 1 << 15,
};

/* The note on a shadow table. */
struct shadow_table {
	uint64_t gpa; /* of the guest's table; direct: of the first byte that is mapped */
	uint32_t role;
	uint8_t number; /* of this note */
	uint8_t next;   /* number of the next note in its chain, or of the next unused one */
	uint8_t quiet;  /* how often in a row the table was unchanged, at most SHADOW_QUIET */
	bool watched;   /* the guest cannot write to its own table without a fault: watch.c */
	pte_t *entry;   /* the page that the processor walks; NULL: not in use */
	/* For each entry: the guest's entry that it was made from, and in SHADOW_NUMBER the shadow
	 * table that it points to.  NULL for a direct table at level 1, which needs neither. */
	uint64_t *from;
	const void *guest;  /* kernel address of the guest's table; NULL: not looked up */
	uint64_t guest_gen; /* the VM's tlb_gen when the table was looked up */
	uint64_t checked;   /* the shadow's epoch when the table was last compared or reached */
	uint64_t settled;   /* the shadow's `changes` when all tables from here on were watched */
	uint64_t used[PT_ENTRIES / 64]; /* a bit for each entry that is not 0 */
};

/* The shadow tables of one vCPU. */
struct shadow {
	struct shadow_table *notes[SHADOW_NOTE_PAGES];
	uint8_t chain[SHADOW_CHAINS]; /* number of the first note in each hash chain */
	uint8_t unused;               /* number of the first unused note */
	unsigned int tables;          /* tables in use */
	uint64_t pages;               /* pages in use, of SHADOW_PAGES; the notes count */
	uint64_t epoch;               /* grows when all tables must be compared anew */
	bool keeps;                   /* tables outlast a load of CR3; false: it clears them */
	bool quiet;                   /* a table has become quiet and is not watched yet */
	uint64_t watch_at;            /* the epoch from which on watches may start again */
	uint64_t changes;             /* grows when a watch ends or a table is linked */
	unsigned int watched;         /* tables that are watched */
	uint32_t role;                /* the guest's paging mode, a part of each table's role */
	/* The table that the processor's CR3 points to: a table of level 4, or &pae. */
	struct shadow_table *root;
	/* The four top entries of PAE paging, which runs the guest outside long mode.  They lie
	 * below 4 GiB. */
	struct shadow_table pae;
	uint64_t pae_from[SHADOW_PDPTES];
	struct shadow_regs guest; /* the registers as the guest sees them */
};

/*
 * pool.c: memory for shadow tables, and the search for them.  Called with the kernel lock held,
 * except where no other CPU can see the shadow yet.
 */
/* Sets SHADOW_PAGES aside, so that the other functions cannot fail.  -E_NO_MEM. */
int shadow_pool_init(struct shadow *s);
void shadow_pool_free(struct shadow *s);
/* Returns the pages that are set aside and not in use. */
static inline uint64_t
shadow_promise_left(const struct shadow *s)
{
	return SHADOW_PAGES - s->pages;
}
/* Returns the table with this gpa and role, or NULL. */
struct shadow_table *shadow_find(struct shadow *s, uint64_t gpa, uint32_t role);
/* Returns the same, and makes the table if there is none.  shadow_make_room() comes first. */
struct shadow_table *shadow_get(struct shadow *s, uint64_t gpa, uint32_t role);
/* Returns the table that entry i, which is in use, points to; NULL: it maps a page. */
struct shadow_table *shadow_child(const struct shadow *s, const struct shadow_table *t,
                                  unsigned int i);
/* Points entry i to a table; `from` is the guest's entry there. */
void shadow_link(const struct shadow *s, struct shadow_table *t, unsigned int i, uint64_t from,
                 const struct shadow_table *child);
/* Moves *i to the first entry in use from *i on.  Returns false if there is none. */
static inline bool
shadow_next(const struct shadow_table *t, unsigned int *i)
{
	for (unsigned int word = *i / 64; word < PT_ENTRIES / 64; word++, *i = word * 64) {
		uint64_t left = t->used[word] >> *i % 64;

		if (!left)
			continue;
		*i += (unsigned int)__builtin_ctzll(left);
		return true;
	}
	return false;
}
static inline bool
shadow_is_leaf(const struct shadow_table *t, unsigned int i)
{
	return (t->role & SHADOW_LEVEL) == 1 || (t->entry[i] & PTE_PS);
}
static inline void
shadow_drop(struct shadow_table *t, unsigned int i)
{
	t->entry[i] = 0;
	t->used[i / 64] &= ~BIT(i % 64);
}
/* Makes room for n tables: frees all tables that the root does not reach and, if too few are free
 * then, all but the root.  Returns true if it freed any. */
bool shadow_make_room(struct shadow *s, unsigned int n);
void shadow_empty(struct shadow_table *t); /* clears all entries of a table */
void shadow_clear(struct shadow *s);       /* frees all tables but the root, and empties that */
/* Calls fn with each table that is in use, &pae excepted. */
typedef void (*shadow_visit_t)(void *arg, struct shadow *s, struct shadow_table *t);
void shadow_visit(struct shadow *s, shadow_visit_t fn, void *arg);
/* Returns the gpa that entry i maps; the entry must map a page. */
uint64_t shadow_leaf_gpa(const struct shadow_table *t, unsigned int i);

bool shadow_find_watched(struct shadow *s, uint64_t gpa); /* is the guest's table at gpa watched? */

/*
 * watch.c: watches keep the guest from writing to its own tables without a fault.  A range is given
 * by its gpa and its size in bytes, both multiples of 4 KiB.
 */
bool shadow_watches(struct shadow *s, uint64_t gpa, uint64_t size); /* a table in the range? */
void shadow_unwatch(struct shadow *s, uint64_t gpa, uint64_t size); /* ends watches in the range */
/* Ends the watch on the page at gpa: somebody writes to it, but not the guest through its shadow.
 * Called without the kernel lock. */
void shadow_written(struct vm *vm, uint64_t gpa);
/* Starts to watch the tables that have become quiet.  The caller must flush the TLB. */
void shadow_watch(struct vcpu *v);

/*
 * tables.c: the entries of shadow tables.  A function that returns bool returns true if the TLB may
 * hold an entry that is gone: then the caller must flush.  Called with the kernel lock held.
 */
/* Follows a change of the guest's paging registers, or a load of CR3: sets s->role and s->root, and
 * drops the entries that differ from the guest's. */
void shadow_reload(struct vcpu *v);
/* Maps gva in the guest's *page.  `leaf` is the entry: a 4 KiB frame, or a 2 MiB frame with PTE_PS.
 * may_write: the guest's tables allow writing, even if leaf has no PTE_W. */
bool shadow_map(const struct vcpu *v, uint64_t gva, pte_t leaf, bool may_write,
                const struct gmem_page *page);
/* Drops the entries on the way to gva that differ from the guest's tables. */
bool shadow_unmap(struct vcpu *v, uint64_t gva);
/* Drops all entries that map [gpa, gpa + size). */
void shadow_forget(struct shadow *s, uint64_t gpa, uint64_t size);
/* Takes the right to write from all entries. */
void shadow_protect_all(struct shadow *s);
/* Fills in the registers that the processor runs the guest with. */
void shadow_hardware(const struct shadow *s, struct shadow_regs *hw);

/* fault.c: shadow paging of a vCPU.  Called without the kernel lock, except where noted. */
int shadow_init(struct vcpu *v);  /* makes v->shadow, with the kernel lock; -E_NO_MEM */
void shadow_free(struct vcpu *v); /* with the kernel lock */
/* Returns a paging register (hv_is_paging_reg()) as the guest sees it. */
uint64_t shadow_get_reg(const struct vcpu *v, enum hv_reg r);
/* Writes a paging register as the guest sees it, and drops the entries that no longer hold.  The
 * caller writes the hardware's registers.  Takes the kernel lock, unless paging is and was off. */
void shadow_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value);
/* Copies the guest's paging registers to a vCPU that has not run yet.  With the kernel lock. */
void shadow_copy(struct vcpu *to, const struct vcpu *from);
/* Sets the guest's paging registers to 0.  With the kernel lock. */
void shadow_reset(struct vcpu *v);
/* Does what the guest's INVLPG asks for. */
void shadow_invlpg(struct vcpu *v, uint64_t gva);
/* Handles a page fault: fills in a missing entry, injects the guest's own fault, or hands an access
 * to device memory to the monitor. */
enum hv_action shadow_fault(struct vcpu *v, struct hv_exit *x);
/* Follow a change of the monitor's memory, with the kernel lock: see struct aspace_watcher. */
void shadow_narrow(struct vm *vm, uint64_t gpa, uint64_t size);
void shadow_protect(struct vm *vm);

#endif
