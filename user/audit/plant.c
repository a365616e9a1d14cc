#include "user/audit/audit.h"

void
plant_list(void)
{
	for (enum audit_rule rule = 0; rule < AUDIT_RULES; rule++)
		printf("%s\n", audit_rule_name(rule));
}

static bool
names(const struct audit_report *r, enum audit_rule rule)
{
	for (uint64_t i = 0; i < r->violations && i < AUDIT_FINDINGS_MAX; i++)
		if (r->finding[i].rule == rule)
			return true;
	return false;
}

enum outcome { NAMED, MISSED, NOT_HERE };

/* Breaks one rule.  Missed, too, if something is left of it afterwards. */
static enum outcome
plant_one(enum audit_rule rule)
{
	static struct audit_report report;
	long err = sys_audit(&report, rule);

	printf("planted %s\n", audit_rule_name(rule));
	if (err < 0) {
		printf("audit: cannot plant %s here: %s\n", audit_rule_name(rule), error_text(err));
		/* Without VMs, or without shadow tables. */
		return err == -E_BAD_VM || err == -E_NO_SHADOW ? NOT_HERE : MISSED;
	}
	audit_print_findings(&report, printf);
	if (!names(&report, rule)) {
		printf("audit: %s was not found\n", audit_rule_name(rule));
		return MISSED;
	}
	err = sys_audit(&report, AUDIT_NONE);
	if (err < 0 || report.violations) {
		printf("audit: %s is undone, but violations are left\n", audit_rule_name(rule));
		audit_print_findings(&report, printf);
		return MISSED;
	}
	return NAMED;
}

static int
plant_each(const char *name)
{
	unsigned int kinds = 0, count[NOT_HERE + 1] = {0};

	for (enum audit_rule rule = 0; rule < AUDIT_RULES; rule++) {
		if (strcmp(name, "all") && strcmp(name, audit_rule_name(rule)))
			continue;
		kinds++;
		count[plant_one(rule)]++;
	}
	if (!kinds) {
		printf("audit: no kind of violation is named %s; `audit --plant list` lists them\n",
		       name);
		return STATUS_ERROR;
	}
	printf("audit: planted %u kinds of violation: %u named and undone, %u missed\n",
	       count[NAMED] + count[MISSED], count[NAMED], count[MISSED]);
	return count[MISSED] ? STATUS_VIOLATIONS : STATUS_CLEAN;
}

int
plant(const char *name, enum vm_paging paging)
{
	long child = guest_create(paging);
	int status;

	if (child < 0) {
		printf("audit: cannot create a VM to plant violations in: %s\n", error_text(child));
		return STATUS_ERROR;
	}
	status = plant_each(name);
	if (child > 0) {
		sys_env_kill(child);
		sys_env_wait(child);
	}
	return status;
}
