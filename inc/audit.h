#ifndef NESTLING_INC_AUDIT_H
#define NESTLING_INC_AUDIT_H

#include <stdint.h>

/* The report of an audit of all page tables and frames, for kernel and programs. */

enum audit_rule {
#define AUDIT_RULE(id, name, counts, text) AUDIT_##id,
#include "inc/audit.def"
#undef AUDIT_RULE
	AUDIT_RULES,
	AUDIT_NONE = AUDIT_RULES, /* no violation to plant */
};

/* The owner of a page table. */
enum audit_table { AUDIT_KERNEL_TABLE, AUDIT_PROCESS_TABLE, AUDIT_VM_TABLE, AUDIT_TABLE_KINDS };

/* The owner of a frame; if several apply, the first one. */
enum audit_owner {
	AUDIT_OWNER_FREE,
	AUDIT_OWNER_TABLE,  /* a page of a page table */
	AUDIT_OWNER_KERNEL, /* image, data, control blocks, accounts */
	AUDIT_OWNER_SHARED, /* reached by several VMs */
	AUDIT_OWNER_VM,     /* reached by one VM */
	AUDIT_OWNER_FILE,   /* a file of the initrd */
	AUDIT_OWNER_PROCESS,
	AUDIT_OWNER_NOBODY, /* in use, but nobody refers to it */
	AUDIT_OWNER_NO_RAM,
	AUDIT_OWNERS,
};

enum { AUDIT_FINDINGS_MAX = 16 };
#define AUDIT_NO_FRAME UINT64_MAX

struct audit_finding {
	uint32_t rule;            /* enum audit_rule */
	uint32_t owner;           /* enum audit_owner, of the frame */
	uint32_t table;           /* enum audit_table; AUDIT_TABLE_KINDS: the rule is about none */
	uint32_t id;              /* of the process or VM that has the table */
	uint64_t frame;           /* hpa; AUDIT_NO_FRAME: the rule is about none */
	uint64_t address;         /* va or gpa in the table */
	uint64_t expected, found; /* for rules that count */
};

struct audit_report {
	/* The size of the walk: roots, pages of tables, entries that map something. */
	struct {
		uint64_t roots, pages, leaves;
	} walked[AUDIT_TABLE_KINDS];
	uint64_t frames[AUDIT_OWNERS]; /* in frames of 4 KiB */
	uint64_t promised;             /* pages */
	uint64_t violations;
	struct audit_finding finding[AUDIT_FINDINGS_MAX]; /* the first ones */
};

const char *audit_rule_name(enum audit_rule rule);
typedef int (*audit_print_t)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/*
 * Prints a line for each violation in the report, then "audit: clean" or the number of violations.
 */
void audit_print_findings(const struct audit_report *r, audit_print_t print);
/* Prints what was walked, and who owns the frames. */
void audit_print_table(const struct audit_report *r, audit_print_t print);

#endif
