#ifndef NESTLING_KERN_AUDIT_AUDIT_H
#define NESTLING_KERN_AUDIT_AUDIT_H

#include <stdbool.h>

#include "inc/audit.h"
#include "kern/mem/aspace.h"

/*
 * The audit: walks every page table and proves that
 *   - no frame of the host can be reached by a guest, and none of the kernel's by a process;
 *   - a frame that two VMs reach is read-only in both;
 *   - every mapped frame is owned, and struct page counts its references as they are;
 *   - promises are what the entries say (kern/mem/aspace.c);
 *   - no frame is in use that nobody refers to;
 *   - nothing is both writable and executable for the host.
 *
 * It walks all tables twice: first it counts who refers to what, then it checks each entry
 * against that.  Every table and frame is read through its own checks, so that a table that is
 * wrong is a finding and not a fault.  It takes the same stack whatever it finds, and
 * AUDIT_SCRATCH bytes for each 4 KiB frame, 0.3 % of the memory, set aside at boot.
 *
 * Page tables change under the kernel lock only, which the caller holds: guests and programs on
 * other CPUs run on meanwhile, unless a rule is broken on purpose.
 */

/* What the walks have found out about a frame. */
struct audit_frame {
	uint32_t refs;  /* references to the page */
	uint32_t large; /* head of a 2 MiB frame: references to the whole */
	uint16_t vm;    /* 1 + the number of the first VM that reaches it */
	uint16_t flags; /* AUDITED_ */
};
enum { AUDIT_SCRATCH = sizeof(struct audit_frame) };

enum {
	AUDITED_TABLE = 1 << 0,   /* a page of a page table, walked by the first pass */
	AUDITED_CHECKED = 1 << 1, /* and by the second */
	AUDITED_KERNEL = 1 << 2,
	AUDITED_FILE = 1 << 3,
	AUDITED_USER = 1 << 4,
	AUDITED_VMS = 1 << 5,   /* two VMs or more reach it */
	AUDITED_WRITE = 1 << 6, /* and one may write to it */
	/* References that are copy-on-write, and others: to the page, and to the 2 MiB frame. */
	AUDITED_COW = 1 << 7,
	AUDITED_PLAIN = 1 << 8,
	AUDITED_LARGE_COW = 1 << 9,
	AUDITED_LARGE_PLAIN = 1 << 10,
};

/* Boot: sets the scratch memory aside.  Panics without. */
void audit_init(void);

/* The whole audit (kern/sys/sysaudit.c); the report lasts until the next one. */
const struct audit_report *audit_run(void);

/* kern/audit/audit.c: between audit_begin() and audit_end(). */
void audit_begin(void);
const struct audit_report *audit_end(void);
/* NULL outside RAM.  A step of the walk, for step(). */
struct audit_frame *audit_frame(uint64_t pa);
enum audit_owner audit_owner(uint64_t pa);
bool audit_in_use(const struct page *p); /* by itself, or with the 2 MiB frame around it */
/* The kernel itself refers to the page.  NULL: nothing. */
void audit_hold(const void *page);
void audit_promise(uint64_t pages);
/* A violation by the entry at an address of a table. */
struct audit_site {
	enum audit_table table;
	uint32_t id;
	uint64_t address;
};
void audit_violation(enum audit_rule rule, const struct audit_site *site, uint64_t frame);
/* Reports the rule unless the numbers are equal. */
void audit_equal(enum audit_rule rule, const struct audit_site *site, uint64_t expected,
                 uint64_t found);

/* kern/audit/walk.c: the walk over one tree of tables, the first or the second time. */
enum audit_pass { AUDIT_COUNT, AUDIT_CHECK };
struct audit_walk {
	const struct pt *pt;
	enum audit_pass pass;
	uint64_t start; /* address of the first root entry, and how many there are */
	unsigned int roots;
	struct audit_site site; /* address: of the entry */
	/* Called for each entry that is neither empty nor a table. */
	void (*leaf)(struct audit_walk *w, int level, pte_t e);
	const void *arg; /* for leaf */
	uint64_t tables; /* result: pages of tables, the root included */
	uint64_t bytes;  /* result: mapped */
	uint64_t leaves;
};
void audit_walk(struct audit_walk *w);
/* Takes the table at pa for this pass; false, and a finding in the first pass, if it is none. */
bool audit_table(struct audit_walk *w, uint64_t pa);
void audit_walked(const struct audit_walk *w); /* adds the second walk to the report's table */
/* As pt_lookup(), in tables that the first pass has found sound. */
pte_t audit_lookup(const struct pt *pt, uint64_t va, int *level);

/* kern/audit/host.c: the kernel's tables, processes, files. */
void audit_host(enum audit_pass pass);

/* Planting violations: kern/audit/plant.c. */
struct env;
/* Plants one with what belongs to e.  -E_INVAL: not a rule of the host; or what is missing. */
int audit_plant(struct env *e, enum audit_rule rule);
/* Takes back what was planted. */
void audit_unplant(void);
/* For those who plant: changes an integer of 1, 2, 4 or 8 bytes until audit_unplant(). */
void audit_poke(void *where, unsigned int size, uint64_t value);

#endif
