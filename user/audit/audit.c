#include "user/audit/audit.h"

static int
usage(void)
{
	printf("usage: audit [--plant KIND|all|list [--paging=shadow]]\n");
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
	bool shadow;

	if (argc == 1)
		return audit();
	shadow = argc == 4 && !strcmp(argv[3], "--paging=shadow");
	if (argc != 3 + shadow || strcmp(argv[1], "--plant"))
		return usage();
	if (!strcmp(argv[2], "list")) {
		plant_list();
		return STATUS_CLEAN;
	}
	return plant(argv[2], shadow ? VM_PAGING_SHADOW : VM_PAGING_NESTED);
}
