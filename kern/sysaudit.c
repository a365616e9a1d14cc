#include "kern/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/audit.h"
#include "vmm/hv.h"

/* System call: the audit, with a violation planted or without. */

const struct audit_report *
audit_run(void)
{
	audit_begin();
	for (enum audit_pass pass = AUDIT_COUNT; pass <= AUDIT_CHECK; pass++) {
		audit_host(pass);
		hv_audit(pass);
	}
	return audit_end();
}

int64_t
sys_audit(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	const struct audit_report *report;
	int err = aspace_touch(e->as, arg[0], sizeof(*report), ACCESS_WRITE);

	if (err < 0)
		return err;
	if (arg[1] > AUDIT_NONE)
		return -E_INVAL;
	/* From here to audit_unplant nothing but the audit runs on what is planted. */
	err = arg[1] == AUDIT_NONE ? 0 : audit_plant(e, arg[1]);
	if (err == -E_INVAL)
		err = hv_audit_plant(e, arg[1]);
	report = err < 0 ? NULL : audit_run();
	audit_unplant();
	return err < 0 ? err : copy_out(e->as, arg[0], report, sizeof(*report));
}
