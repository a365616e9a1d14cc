#ifndef NESTLING_GUEST_PGEDIT_PGEDIT_H
#define NESTLING_GUEST_PGEDIT_PGEDIT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * Random edits of page tables, checked against a plain walker: docs/pgedit.md.
 *
 * The test owns a pool of frames, some of them tables, the others data, and an image of what each
 * must contain.  It edits the tables, tells the processor or does not, accesses memory and compares
 * value, fault and accessed and dirty bits with what the manual allows.  It knows all three paging
 * formats and is compiled for 64-bit and for 32-bit mode.
 */

enum {
	PG_LEVELS = 4,
	PG_INDEXES = 8, /* of a table's entries so many are used */
	PG_FRAMES = 48,
	PG_ROOTS = 3,
	PG_POOL = 16 << 20,       /* bytes that the frames are spread over */
	PG_POOL_ALIGN = 4 << 20,  /* of its address */
	PG_POOL_LAST = 128 << 20, /* it begins no higher */
	PG_PAGES = 384,           /* stale translations of pages, */
	PG_TABLES = 64,           /* and of tables, that the model holds */
	PG_RECENT = 16,           /* places of translations, for accesses to come back to */
	PG_OUTCOMES = 32,         /* of one access */
	PG_HISTORY = 12,          /* steps shown after a failure */
};

struct pg_format {
	const char *name;
	unsigned int levels, index_bits, entry_bytes;
	/* Entries in use: of a table, and of the root, where the kernel has others.  0xffff stands
	 * for the pool's own index at level 2, and 0xfffe for the next. */
	uint16_t low[PG_INDEXES], top[PG_INDEXES];
	unsigned int lows, tops;
	unsigned int regions; /* large pages in the pool */
	unsigned int tables_max;
};
extern const struct pg_format pg_legacy, pg_pae, pg_long;

/* Features, as the processor has them, or as they are on. */
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
	uint64_t va;   /* of a 32-bit word, canonical bits not extended */
	uint32_t value;
};

/* How the processor answered. */
struct pg_result {
	bool fault;
	unsigned int vector;
	uint64_t error, cr2;
	uint32_t value;
};

/* What one access may come to. */
struct pg_outcome {
	enum { PG_PAGE, PG_FAULT, PG_WILD } kind; /* PG_WILD: leaves the pool */
	uint32_t error;
	uint64_t pa;              /* PG_PAGE: of the word */
	unsigned int steps;       /* entries that get the accessed bit, */
	uint64_t step[PG_LEVELS]; /* their addresses */
	bool dirty;               /* the last of them gets the dirty bit, too */
};

/*
 * A translation that the processor may still hold although the tables say otherwise: of a page, or
 * of a table, which the walk may begin with.
 */
struct pg_stale {
	uint64_t va, pa;
	unsigned int level; /* of the page's entry, of the table */
	struct pg_rights rights;
	bool dirty, global;
};

/* What a page or a table maps: any address that differs from va in its lowest levels only. */
struct pg_place {
	uint64_t va;
	unsigned int below;
};

struct pg_counts {
	uint32_t rounds, edits, through, flushes, switches, modes, frees;
	uint32_t accesses[PG_KINDS];
	uint32_t stale; /* accesses that had several outcomes */
	uint32_t skipped;
	uint32_t not_present, not_allowed, reserved; /* faults of the others */
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
	uint32_t (*image)[1024];           /* of each frame */
	unsigned int level[PG_FRAMES];     /* that a table was made for; 0: data */
	unsigned int frames, tables, root; /* root: the frame that CR3 points to */
	struct pg_stale page[PG_PAGES], table[PG_TABLES];
	unsigned int pages, part_tables;   /* of them in use */
	bool full;                         /* there was no room for another */
	struct pg_place recent[PG_RECENT]; /* where the last came, dropped since or not: a ring */
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

/*
 * The machine (guest/checks/pgedit.c, guest/pgedit32/machine.c).
 */
void pg_machine_access(const struct pg_access *a, uint64_t va, struct pg_result *r);
/* Writes CR0, CR4 and EFER where they differ. */
void pg_machine_mode(const struct pg_mode *mode);
/* Enters what the kernel needs into a root. */
void pg_machine_root(void *root);

/* Code that makes an access: address in RDI, value in RSI, result in RAX, then INT 30h. */
enum { PG_CODE_BYTES = 8 };
extern const uint8_t pg_code[PG_KINDS][PG_CODE_BYTES];

/*
 * rounds.c: format, can, huge, pool, memory and image are the caller's to fill in.  The kernel runs
 * on a root of the test when it returns.  False: failure and history say what went wrong.
 */
bool pg_run(struct pg *t, uint32_t rounds, uint32_t seed);
uint32_t pg_below(struct pg *t, uint32_t n); /* a random number, 0 to n - 1 */
bool pg_chance(struct pg *t, uint32_t in, uint32_t of);
/* For the history. */
void pg_note(struct pg *t, const char *what, uint64_t at, uint64_t before, uint64_t after);

/* report.c: lines without their end. */
enum { PG_LINE = 512 };
void pg_summary(const struct pg *t, char *line, size_t size);
void pg_difference(const struct pg *t, char *line, size_t size);
/* The steps before a failure, oldest first: false when there is no n-th. */
bool pg_step_text(const struct pg *t, unsigned int n, char *line, size_t size);

/*
 * quirks.c: what the processor has otherwise than the manual, and an emulator is to blame for.  The
 * fault of an exchange is reported as a read's (exchanges are made as writes then), that of a
 * reserved bit without PF_P; PAE's top entries get accessed bits; INVLPG in a large page leaves
 * code of its other parts cached (it is followed by a load of CR3 then).
 */
void pg_find_quirks(struct pg *t);
/* Each as a line, n from 0 on; NULL: no more. */
const char *pg_quirk(const struct pg *t, unsigned int n);

/* pool.c: frames by number, words by physical address. */
uint64_t pg_frame_pa(const struct pg *t, unsigned int frame);
int pg_frame_at(const struct pg *t, uint64_t pa); /* -1: none */
/* May the test walk a table at pa as one of this level? */
bool pg_walks(const struct pg *t, unsigned int level, uint64_t pa);
uint32_t pg_word(const struct pg *t, uint64_t pa);
void pg_set_word(struct pg *t, uint64_t pa, uint32_t value); /* of the image only */
uint32_t pg_real_word(const struct pg *t, uint64_t pa);
void pg_put_word(struct pg *t, uint64_t pa, uint32_t value); /* of both */
uint64_t pg_entry(const struct pg *t, uint64_t at);
void pg_put_entry(struct pg *t, uint64_t at, uint64_t value);
void pg_make_data(struct pg *t, unsigned int frame);
void pg_make_table(struct pg *t, unsigned int frame, unsigned int level);
/* Is memory as the image says?  Where not: *pa. */
bool pg_image_holds(const struct pg *t, uint64_t *pa);
enum { PG_STUB = 0xff0 }; /* where data can be executed */
uint32_t pg_stub_value(const struct pg *t, uint64_t pa);

/* walk.c: the plain walker. */
unsigned int pg_shift(const struct pg *t, unsigned int level);
unsigned int pg_indexes(const struct pg *t, unsigned int level, const uint16_t **index);
uint64_t pg_entry_at(const struct pg *t, uint64_t table, unsigned int level, uint64_t va);
bool pg_is_leaf(const struct pg *t, unsigned int level, uint64_t entry);
uint64_t pg_reserved(const struct pg *t, unsigned int level, uint64_t entry);
bool pg_has_rights(const struct pg *t, unsigned int level); /* PAE's top entries have none, nor A */
uint64_t pg_leaf_pa(const struct pg *t, unsigned int level, uint64_t entry);
uint64_t pg_table_pa(const struct pg *t, uint64_t entry);
struct pg_rights pg_narrow(const struct pg *t, struct pg_rights r, unsigned int level,
                           uint64_t entry);
extern const struct pg_rights pg_all_rights;
uint64_t pg_canonical(const struct pg *t, uint64_t va);
/* The walk from a table of this level on. */
void pg_walk(const struct pg *t, unsigned int level, uint64_t table, struct pg_rights rights,
             const struct pg_access *a, struct pg_outcome *o);
/* The access through a translation with these rights: 0, or the error code of its fault. */
uint32_t pg_denied(const struct pg *t, struct pg_rights rights, const struct pg_access *a);

/* tlb.c: what the processor may hold. */
/* The entry is about to change. */
void pg_tlb_before(struct pg *t, uint64_t at);
/* All that an access may come to, the tables' own answer first; 0: too many. */
unsigned int pg_outcomes(struct pg *t, const struct pg_access *a, struct pg_outcome *out);
/* The processor is told to forget, and the model, too. */
void pg_flush_page(struct pg *t, uint64_t va);
void pg_load_root(struct pg *t, unsigned int frame);
void pg_flush_all(struct pg *t);

/* access.c: false when the processor and the model differ. */
bool pg_access(struct pg *t, struct pg_access *a);
/* The word at pa is written through va, if that is certain to be possible: else *done is false. */
bool pg_write_through(struct pg *t, uint64_t va, uint64_t pa, uint32_t value, bool *done);
bool pg_random_access(struct pg *t);
/* An index of a table of this level, of an entry that is present if one is found soon; table 0:
 * any. */
unsigned int pg_random_index(struct pg *t, unsigned int level, uint64_t table);
/* The focus, or another address, mapped if possible; path[level]: the entries' addresses on its
 * way, 0 where none. */
uint64_t pg_random_va(struct pg *t, uint64_t path[PG_LEVELS + 1]);

/* edit.c: false when an access that an edit is made by differs. */
bool pg_random_edit(struct pg *t);
bool pg_random_map(struct pg *t);
void pg_random_mode(struct pg *t);

#endif
