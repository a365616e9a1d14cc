#include "user/audit/audit.h"

static int
usage(void)
{
	printf("usage: audit [--plant KIND|all|list]\n");
	return STATUS_ERROR;
}

static int
audit(void)
{
	static struct audit_report report;
	long err = sys_audit(&report, AUDIT_NONE);

	if (err < 0) {
		printf("audit: %s\n", error_text(err));
		return STATUS_ERROR;
	}
	audit_print_table(&report, printf);
	audit_print_findings(&report, printf);
	return report.violations ? STATUS_VIOLATIONS : STATUS_CLEAN;
}

int
main(int argc, char **argv)
{
	if (argc == 1)
		return audit();
	if (argc != 3 || strcmp(argv[1], "--plant"))
		return usage();
	if (!strcmp(argv[2], "list")) {
		plant_list();
		return STATUS_CLEAN;
	}
	return plant(argv[2]);
}
