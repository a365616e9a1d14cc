#include "inc/audit.h"

#include "inc/mmu.h"
#include "inc/x86.h"

/* An audit's report as text, for the program `audit` and for the kernel monitor. */

static const struct {
	const char *name;
	int counts;
	const char *text;
} rules[AUDIT_RULES] = {
#define AUDIT_RULE(id, name, counts, text) [AUDIT_##id] = {name, counts, text},
#include "inc/audit.def"
#undef AUDIT_RULE
};

static const char *const owners[AUDIT_OWNERS] = {
        [AUDIT_OWNER_FREE] = "free",         [AUDIT_OWNER_TABLE] = "page tables",
        [AUDIT_OWNER_KERNEL] = "kernel",     [AUDIT_OWNER_SHARED] = "VMs, shared",
        [AUDIT_OWNER_VM] = "VMs, private",   [AUDIT_OWNER_FILE] = "files",
        [AUDIT_OWNER_PROCESS] = "processes", [AUDIT_OWNER_NOBODY] = "nobody",
        [AUDIT_OWNER_NO_RAM] = "not RAM",
};

static const char *const tables[AUDIT_TABLE_KINDS] = {
        [AUDIT_KERNEL_TABLE] = "kernel",
        [AUDIT_PROCESS_TABLE] = "processes",
        [AUDIT_VM_TABLE] = "VMs",
};

const char *
audit_rule_name(enum audit_rule rule)
{
	return rule < AUDIT_RULES ? rules[rule].name : "?";
}

static void
print_finding(const struct audit_finding *f, audit_print_t print)
{
	print("audit: %s:", audit_rule_name(f->rule));
	if (f->frame != AUDIT_NO_FRAME)
		print(" frame %#lx (%s),", (unsigned long)f->frame,
		      f->owner < AUDIT_OWNERS ? owners[f->owner] : "?");
	if (f->table == AUDIT_KERNEL_TABLE)
		print(" kernel at %#lx,", (unsigned long)f->address);
	else if (f->table == AUDIT_PROCESS_TABLE)
		print(" process %x at %#lx,", f->id, (unsigned long)f->address);
	else if (f->table == AUDIT_VM_TABLE)
		print(" VM %u at %#lx,", f->id, (unsigned long)f->address);
	print(" %s", f->rule < AUDIT_RULES ? rules[f->rule].text : "?");
	if (f->rule < AUDIT_RULES && rules[f->rule].counts)
		print(": expected %lu, found %lu", (unsigned long)f->expected,
		      (unsigned long)f->found);
	print("\n");
}

void
audit_print_findings(const struct audit_report *r, audit_print_t print)
{
	for (uint64_t i = 0; i < r->violations && i < AUDIT_FINDINGS_MAX; i++)
		print_finding(&r->finding[i], print);
	if (r->violations > AUDIT_FINDINGS_MAX)
		print("audit: %lu more\n", (unsigned long)(r->violations - AUDIT_FINDINGS_MAX));
	if (r->violations)
		print("audit: %lu violation%s\n", (unsigned long)r->violations,
		      r->violations == 1 ? "" : "s");
	else
		print("audit: clean\n");
}

static void
print_frames(const char *name, uint64_t frames, audit_print_t print)
{
	print("%-14s %8lu %10lu\n", name, (unsigned long)frames,
	      (unsigned long)(frames * (PAGE_SIZE / 1024)));
}

void
audit_print_table(const struct audit_report *r, audit_print_t print)
{
	uint64_t total = 0;

	print("%-14s %8s %10s %10s\n", "PAGE TABLES", "ROOTS", "PAGES", "MAPPINGS");
	for (unsigned int i = 0; i < AUDIT_TABLE_KINDS; i++)
		print("%-14s %8lu %10lu %10lu\n", tables[i], (unsigned long)r->walked[i].roots,
		      (unsigned long)r->walked[i].pages, (unsigned long)r->walked[i].leaves);
	print("\n%-14s %8s %10s\n", "FRAMES", "FRAMES", "KiB");
	for (unsigned int i = 0; i < AUDIT_OWNER_NOBODY; i++) {
		print_frames(owners[i], r->frames[i], print);
		total += r->frames[i];
	}
	if (r->frames[AUDIT_OWNER_NOBODY])
		print_frames(owners[AUDIT_OWNER_NOBODY], r->frames[AUDIT_OWNER_NOBODY], print);
	print_frames("all", total + r->frames[AUDIT_OWNER_NOBODY], print);
	print_frames("promised", r->promised, print);
	print("\n");
}
