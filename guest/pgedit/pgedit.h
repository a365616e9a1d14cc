#ifndef NESTLING_GUEST_PGEDIT_PGEDIT_H
#define NESTLING_GUEST_PGEDIT_PGEDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Random edits of page tables, checked against a plain walker: docs/pgedit.md.
 *
 * The test owns a pool of frames, some of them tables, the others data, and an image of what each
 * must contain.  It edits the tables, flushes the TLB or does not, accesses memory, and compares
 * values, faults, accessed and dirty bits with what the manual allows.  It knows all three paging
 * formats and is compiled for 64-bit and for 32-bit mode.
 */

enum {
	PG_LEVELS = 4,
	PG_INDEXES = 8, /* entries of a table that are used, at most */
	PG_FRAMES = 48,
	PG_ROOTS = 3,
	PG_POOL = 16 << 20,       /* bytes that the frames are spread over */
	PG_POOL_ALIGN = 4 << 20,  /* alignment of its physical address */
	PG_POOL_LAST = 128 << 20, /* highest physical address where it may begin */
	PG_PAGES = 384,           /* stale translations of pages that the model holds */
	PG_TABLES = 64,           /* stale translations of tables that the model holds */
	PG_RECENT = 16,           /* places of translations, for accesses to come back to */
	PG_OUTCOMES = 32,         /* outcomes of one access */
	PG_HISTORY = 12,          /* steps shown after a failure */
};

struct pg_format {
	const char *name;
	unsigned int levels, index_bits, entry_bytes;
	/*
	 * Indexes of the entries in use: of a table, and of the root, where the kernel has the
	 * others.  0xffff stands for the index that leads to the pool at level 2, 0xfffe for the
	 * one behind it.
	 */
	uint16_t low[PG_INDEXES], top[PG_INDEXES];
	unsigned int lows, tops;
	unsigned int regions; /* large pages in the pool */
	unsigned int tables_max;
};
extern const struct pg_format pg_legacy, pg_pae, pg_long;

/* Features: those that the processor has, or those that are on. */
struct pg_mode {
	bool wp, pge, pse, nxe, smep, smap;
};

struct pg_rights {
	bool writable, user, no_execute;
};

enum pg_kind { PG_READ, PG_WRITE, PG_SWAP, PG_FETCH, PG_KINDS };

struct pg_access {
	enum pg_kind kind;
	bool user, ac; /* ac: RFLAGS.AC, of a supervisor */
	uint64_t va;   /* address of a 32-bit word, not sign-extended */
	uint32_t value;
};

/* How the processor answered. */
struct pg_result {
	bool fault;
	unsigned int vector;
	uint64_t error, cr2;
	uint32_t value;
};

/* One outcome that an access may have. */
struct pg_outcome {
	enum { PG_PAGE, PG_FAULT, PG_WILD } kind; /* PG_WILD: leaves the pool */
	uint32_t error;
	uint64_t pa;              /* PG_PAGE: address of the word */
	unsigned int steps;       /* number of entries that get the accessed bit */
	uint64_t step[PG_LEVELS]; /* their addresses */
	bool dirty;               /* the last of them gets the dirty bit, too */
};

/*
 * A translation that the processor may still hold although the tables say otherwise: of a page, or
 * of a table from which a walk may begin.
 */
struct pg_stale {
	uint64_t va, pa;
	unsigned int level; /* level of the page's entry, or of the table */
	struct pg_rights rights;
	bool dirty, global;
};

/*
 * The addresses that a page or a table maps: they differ from va in the lowest `below` levels only.
 */
struct pg_place {
	uint64_t va;
	unsigned int below;
};

struct pg_counts {
	uint32_t rounds, edits, through, flushes, switches, modes, frees;
	uint32_t accesses[PG_KINDS];
	uint32_t stale; /* accesses that had several outcomes */
	uint32_t skipped;
	uint32_t not_present, not_allowed, reserved; /* faults of the other accesses */
};

struct pg_step {
	const char *what;
	uint64_t at, before, after;
};

struct pg {
	const struct pg_format *format;
	struct pg_mode can, is;
	bool huge; /* pages of 1 GiB */
	uint16_t low[PG_INDEXES], top[PG_INDEXES];
	uint64_t pool;                     /* physical address */
	uint8_t *memory;                   /* where the kernel sees it */
	uint32_t (*image)[1024];           /* what each frame must contain */
	unsigned int level[PG_FRAMES];     /* that a table was made for; 0: data */
	unsigned int frames, tables, root; /* root: the frame that CR3 points to */
	struct pg_stale page[PG_PAGES], table[PG_TABLES];
	unsigned int pages, part_tables;   /* entries of page[] and table[] in use */
	bool full;                         /* there was no room for another one */
	struct pg_place recent[PG_RECENT]; /* places of the last ones, also dropped ones: a ring */
	unsigned int recents;
	uint64_t random;
	uint32_t seed;
	uint64_t focus; /* an address that edits, flushes and accesses of this round prefer */
	uint64_t reserved_at, reserved_bit; /* the last entry with a reserved bit; 0: none */
	bool no_swap, reserved_absent, top_accessed, code_stays; /* see pg_find_quirks */
	struct pg_counts count;
	struct pg_step history[PG_HISTORY];
	unsigned int steps;
	char failure[256];
};

/* The machine (guest/checks/pgedit.c, guest/pgedit32/machine.c). */

/* Makes an access at va and tells how the processor answered. */
void pg_machine_access(const struct pg_access *a, uint64_t va, struct pg_result *r);
/* Writes CR0, CR4 and EFER where they differ. */
void pg_machine_mode(const struct pg_mode *mode);
/* Fills in the entries of a root that the kernel needs. */
void pg_machine_root(void *root);

/* Code that makes an access and ends with INT 30h.  RDI: address, RSI: value, RAX: result. */
enum { PG_CODE_BYTES = 8 };
extern const uint8_t pg_code[PG_KINDS][PG_CODE_BYTES];

/*
 * rounds.c.  Runs the test.  The caller has filled in format, can, huge, pool, memory and image.
 * Afterwards CR3 points to a root of the test.  Returns false if processor and model differ;
 * failure and history say how.
 */
bool pg_run(struct pg *t, uint32_t rounds, uint32_t seed);
uint32_t pg_below(struct pg *t, uint32_t n); /* a random number, 0 to n - 1 */
bool pg_chance(struct pg *t, uint32_t in, uint32_t of);
/* Adds a step to the history. */
void pg_note(struct pg *t, const char *what, uint64_t at, uint64_t before, uint64_t after);

/* report.c.  Each writes a line without its end. */
enum { PG_LINE = 512 };
void pg_summary(const struct pg *t, char *line, size_t size);
void pg_difference(const struct pg *t, char *line, size_t size);
/* The n-th of the steps before a failure, oldest first.  Returns false if there is none. */
bool pg_step_text(const struct pg *t, unsigned int n, char *line, size_t size);

/*
 * quirks.c.  Finds what an emulator's processor does otherwise than the manual says, so that the
 * test can go on:
 *   no_swap          the fault of an exchange is reported as a read's: the test writes instead
 *   reserved_absent  the fault of a reserved bit is reported without PF_P
 *   top_accessed     PAE's top entries get accessed bits
 *   code_stays       INVLPG in a large page leaves code of its other parts cached: a load of CR3
 *                    follows each INVLPG
 */
void pg_find_quirks(struct pg *t);
/* Returns the n-th quirk found as a line, n from 0; NULL: no more. */
const char *pg_quirk(const struct pg *t, unsigned int n);

/* pool.c: frames by number, words by physical address. */
uint64_t pg_frame_pa(const struct pg *t, unsigned int frame);
int pg_frame_at(const struct pg *t, uint64_t pa); /* -1: none */
/* Returns true if the model can walk a table at pa as one of this level. */
bool pg_walks(const struct pg *t, unsigned int level, uint64_t pa);
uint32_t pg_word(const struct pg *t, uint64_t pa);
void pg_set_word(struct pg *t, uint64_t pa, uint32_t value); /* in the image only */
uint32_t pg_real_word(const struct pg *t, uint64_t pa);
void pg_put_word(struct pg *t, uint64_t pa, uint32_t value); /* in image and memory */
uint64_t pg_entry(const struct pg *t, uint64_t at);
void pg_put_entry(struct pg *t, uint64_t at, uint64_t value);
void pg_make_data(struct pg *t, unsigned int frame);
void pg_make_table(struct pg *t, unsigned int frame, unsigned int level);
/* Returns true if memory equals the image.  Else *pa is a word that differs. */
bool pg_image_holds(const struct pg *t, uint64_t *pa);
enum { PG_STUB = 0xff0 }; /* offset in a data frame where it can be executed */
uint32_t pg_stub_value(const struct pg *t, uint64_t pa);

/* walk.c: the plain walker. */
unsigned int pg_shift(const struct pg *t, unsigned int level);
/* Returns how many entries of a table are in use; *index gets their indexes. */
unsigned int pg_indexes(const struct pg *t, unsigned int level, const uint16_t **index);
uint64_t pg_entry_at(const struct pg *t, uint64_t table, unsigned int level, uint64_t va);
bool pg_is_leaf(const struct pg *t, unsigned int level, uint64_t entry);
uint64_t pg_reserved(const struct pg *t, unsigned int level, uint64_t entry);
/* Returns false for PAE's top entries, which have neither rights nor an accessed bit. */
bool pg_has_rights(const struct pg *t, unsigned int level);
uint64_t pg_leaf_pa(const struct pg *t, unsigned int level, uint64_t entry);
uint64_t pg_table_pa(const struct pg *t, uint64_t entry);
struct pg_rights pg_narrow(const struct pg *t, struct pg_rights r, unsigned int level,
                           uint64_t entry);
extern const struct pg_rights pg_all_rights;
uint64_t pg_canonical(const struct pg *t, uint64_t va);
/* Walks from a table of this level on.  *o gets the outcome. */
void pg_walk(const struct pg *t, unsigned int level, uint64_t table, struct pg_rights rights,
             const struct pg_access *a, struct pg_outcome *o);
/* Returns the error code of the fault that an access with these rights gets, or 0. */
uint32_t pg_denied(const struct pg *t, struct pg_rights rights, const struct pg_access *a);

/* tlb.c: the translations that the processor may hold. */
/* Notes what the processor may hold of the entry at `at`, which is about to change. */
void pg_tlb_before(struct pg *t, uint64_t at);
/*
 * Lists all outcomes that an access may have, the tables' own answer first.  Returns 0 if there are
 * too many.
 */
unsigned int pg_outcomes(struct pg *t, const struct pg_access *a, struct pg_outcome *out);
/* Make the processor forget translations, and the model, too. */
void pg_flush_page(struct pg *t, uint64_t va);       /* of one address */
void pg_load_root(struct pg *t, unsigned int frame); /* loads CR3: all but global ones */
void pg_flush_all(struct pg *t);

/* access.c.  These return false if processor and model differ. */
bool pg_access(struct pg *t, struct pg_access *a);
/* Writes the word at pa through va, if that is certain to be possible; else *done is false. */
bool pg_write_through(struct pg *t, uint64_t va, uint64_t pa, uint32_t value, bool *done);
bool pg_random_access(struct pg *t);
/*
 * Returns a random index in a table of this level: of an entry that is present, if one is found
 * soon; with table 0, of any entry.
 */
unsigned int pg_random_index(struct pg *t, unsigned int level, uint64_t table);
/*
 * Returns the focus or another address, mapped if possible.  path[level] gets the address of the
 * entry on its way, 0 where there is none.
 */
uint64_t pg_random_va(struct pg *t, uint64_t path[PG_LEVELS + 1]);

/* edit.c.  These return false if an access that an edit makes differs from the model. */
bool pg_random_edit(struct pg *t);
bool pg_random_map(struct pg *t);
void pg_random_mode(struct pg *t);

#endif
