#ifndef NESTLING_VMM_SHADOW_SHADOW_H
#define NESTLING_VMM_SHADOW_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/mem/pt.h"
#include "vmm/ops.h"

/*
 * Shadow paging: the processor walks tables of ours that map the guest's virtual addresses straight
 * to frames.  They are a TLB of the guest's in software: filled when a page fault shows that an
 * entry is missing, and compared with the guest's tables when the guest does what empties a TLB.
 * docs/shadow-paging.md.
 */

struct aspace_watcher;
struct gmem_page;
struct vcpu;
struct vm;

/* Registers that decide about paging. */
struct shadow_regs {
	uint64_t cr0, cr3, cr4, efer;
};

enum {
	SHADOW_TABLES = 126, /* that a vCPU has at most */
	SHADOW_NOTE_PAGES = 4,
	/* Pages that a vCPU's shadows take at most: each table, what it was made from, and notes.
	 */
	SHADOW_PAGES = SHADOW_NOTE_PAGES + 2 * SHADOW_TABLES,
	SHADOW_PDPTES = 4,
	SHADOW_CHAINS = 64,       /* of tables that are looked up alike */
	SHADOW_QUIET = 4,         /* a table that was found unchanged so often is watched */
	SHADOW_WATCH_EVERY = 256, /* epochs: finding who may write to a table takes long */
};

/* Of an entry in `from`: bits that the processor ignores in long mode, and that are 0 in others. */
#define SHADOW_NUMBER 0x07f0000000000000ull

/*
 * What a table is a shadow of: the guest's table of a level at gpa, as it is reached with these
 * rights in this paging mode.  A guest's large page that is mapped in pieces has tables too:
 * they are direct, and stand for the memory from gpa on.
 */
enum {
	SHADOW_LEVEL = 7,
	/* 32-bit paging, two bits: which part of a guest's table, whose entries are twice as many
	 * (level 1) or map twice as much (level 2). */
	SHADOW_QUARTER_SHIFT = 3,
	SHADOW_DIRECT = 1 << 5,
	SHADOW_W = 1 << 6, /* granted by all entries above, those of the guest; direct: by all */
	SHADOW_U = 1 << 7,
	SHADOW_NX = 1 << 8,
	SHADOW_WP = 1 << 9, /* what the guest has on */
	SHADOW_SMEP = 1 << 10,
	SHADOW_NXE = 1 << 11,
	SHADOW_PSE = 1 << 12,
	SHADOW_LEGACY = 1 << 13, /* 32-bit paging */
	SHADOW_PAE = 1 << 14,
	SHADOW_LONG = 1 << 15,
};

struct shadow_table {
	uint64_t gpa;
	uint32_t role;
	uint8_t number;
	uint8_t next;  /* the next one's number, in its chain or among those that are not in use */
	uint8_t quiet; /* times in a row that it was found unchanged, up to SHADOW_QUIET */
	bool watched;  /* the guest cannot write to its table: watch.c */
	pte_t *entry;  /* what the processor walks */
	/* The guest's entry that each was made from, and the number of the table that it leads to:
	 * SHADOW_NUMBER.  NULL: of a direct table at level 1, which has no need. */
	uint64_t *from;
	const void *guest;  /* the guest's table in the kernel's memory, */
	uint64_t guest_gen; /* as of this tlb_gen of the VM's */
	uint64_t checked;   /* at this epoch of the shadow's */
	uint64_t settled;   /* at these `changes` of the shadow's all that it leads to is watched */
	uint64_t used[PT_ENTRIES / 64]; /* a bit for each entry that is not 0 */
};

/* Of a vCPU. */
struct shadow {
	struct shadow_table *notes[SHADOW_NOTE_PAGES];
	uint8_t chain[SHADOW_CHAINS], unused;
	unsigned int tables;  /* in use */
	uint64_t pages;       /* of SHADOW_PAGES, the notes included */
	uint64_t epoch;       /* grows when tables are looked at, or should be: see `checked` */
	bool keeps;           /* tables outlast a load of CR3 */
	bool quiet;           /* a table is, and not yet watched */
	uint64_t watch_at;    /* epoch before which no other table is watched */
	uint64_t changes;     /* grows when a watch ends, or a table leads to a new one */
	unsigned int watched; /* tables */
	uint32_t role;        /* of each table: the guest's paging mode */
	struct shadow_table *root; /* where the guest's CR3 leads: a level-4 table, or &pae */
	/* Outside long mode CR3 points to PAE's four top entries, below 4 GiB. */
	struct shadow_table pae;
	uint64_t pae_from[SHADOW_PDPTES];
	struct shadow_regs guest; /* as the guest sees them */
};

/*
 * pool.c: tables, and which there are.  With the kernel lock held where others may see them.
 */
/* Sets SHADOW_PAGES aside, so that none of the others fails.  -E_NO_MEM. */
int shadow_pool_init(struct shadow *s);
void shadow_pool_free(struct shadow *s);
static inline uint64_t
shadow_promise_left(const struct shadow *s)
{
	return SHADOW_PAGES - s->pages;
}
struct shadow_table *shadow_find(struct shadow *s, uint64_t gpa, uint32_t role); /* or NULL */
/* The same, made if there is none; there is room. */
struct shadow_table *shadow_get(struct shadow *s, uint64_t gpa, uint32_t role);
/* The table that an entry in use leads to; NULL: it leads to a page. */
struct shadow_table *shadow_child(const struct shadow *s, const struct shadow_table *t,
                                  unsigned int i);
/* Entry i leads to a table from now on; from: the guest's own. */
void shadow_link(const struct shadow *s, struct shadow_table *t, unsigned int i, uint64_t from,
                 const struct shadow_table *child);
/* Is an entry in use at *i or behind?  Then *i is the first. */
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
/* Room for n tables: those go that the root does not lead to, and if that is not enough, all
 * but the root.  True if one went. */
bool shadow_make_room(struct shadow *s, unsigned int n);
void shadow_empty(struct shadow_table *t); /* its entries go */
void shadow_clear(struct shadow *s);       /* all tables but the root, and its entries, go */
typedef void (*shadow_visit_t)(void *arg, struct shadow *s, struct shadow_table *t);
void shadow_visit(struct shadow *s, shadow_visit_t fn, void *arg);

bool shadow_find_watched(struct shadow *s, uint64_t gpa); /* is one of that page's watched? */

/*
 * watch.c: tables of the guest's that it cannot write to without a fault.  gpa and size are
 * of whole pages.
 */
bool shadow_watches(struct shadow *s, uint64_t gpa, uint64_t size); /* one of these pages? */
void shadow_unwatch(struct shadow *s, uint64_t gpa, uint64_t size);
/* The page at gpa is written to, but not by the guest through its shadows.  Without the lock. */
void shadow_written(struct vm *vm, uint64_t gpa);
/* Begins with what has been quiet; a flush must follow. */
void shadow_watch(struct vcpu *v);

/*
 * tables.c: what they map.  A function that returns bool says whether the TLB may hold what is
 * gone.
 */
/* The guest's paging registers have changed, or CR3 was loaded: s->role and s->root follow, and
 * what the tables have is compared with the guest's. */
void shadow_reload(struct vcpu *v);
/* Maps the page of the guest's at gva: `leaf` is the entry, with its frame of 4 KiB, or with
 * PTE_PS of 2 MiB.  may_write: whether the guest's tables allow PTE_W, even if leaf does not. */
bool shadow_map(const struct vcpu *v, uint64_t gva, pte_t leaf, bool may_write,
                const struct gmem_page *page);
/* The guest's page at gva, all of it. */
bool shadow_unmap(struct vcpu *v, uint64_t gva);
/* Memory of the guest's: no entry maps it after that. */
void shadow_forget(struct shadow *s, uint64_t gpa, uint64_t size);
/* Takes the right to write from all entries. */
void shadow_protect_all(struct shadow *s);
/* The guest-physical address that entry i of a table maps: an entry that leads to a page. */
uint64_t shadow_leaf_gpa(const struct shadow_table *t, unsigned int i);
/* The registers that the processor runs the guest with. */
void shadow_hardware(const struct shadow *s, struct shadow_regs *hw);

/* fault.c: what a vCPU does with them. */
int shadow_init(struct vcpu *v); /* v->shadow; -E_NO_MEM */
void shadow_free(struct vcpu *v);
/* A paging register (hv_is_paging_reg()) as the guest sees it. */
uint64_t shadow_get_reg(const struct vcpu *v, enum hv_reg r);
/* Writes such a register, and changes what the tables may hold.  The caller writes the hardware's
 * registers.  Called without the lock, except before the first entry. */
void shadow_set_reg(struct vcpu *v, enum hv_reg r, uint64_t value);
/* All registers of another vCPU's guest, for one that has not run yet. */
void shadow_copy(struct vcpu *to, const struct vcpu *from);
/* The guest's paging registers are 0, as before the first entry.  With the kernel lock. */
void shadow_reset(struct vcpu *v);
void shadow_invlpg(struct vcpu *v, uint64_t gva);
/* A page fault: a shadow that is missing, the guest's own, or device memory. */
enum hv_action shadow_fault(struct vcpu *v, struct hv_exit *x);
/* The monitor's memory moves, or may not be written any more: see struct aspace_watcher. */
void shadow_narrow(struct vm *vm, uint64_t gpa, uint64_t size);
void shadow_protect(struct vm *vm);

#endif
