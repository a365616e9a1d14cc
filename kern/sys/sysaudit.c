#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/audit/audit.h"
#include "kern/ipi.h"
#include "kern/mem/tlb.h"
#include "kern/mem/usercopy.h"
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

/*
 * An audit with a rule broken meanwhile.  No other CPU is in user mode or in a guest until that is
 * undone, and the caller's translations go, of which a CPU may have taken some on its own account.
 */
static int
audit_broken(struct env *e, enum audit_rule rule, const struct audit_report **report)
{
	int err;

	cpu_recall_others();
	tlb_hold(e->as);
	err = audit_plant(e, rule);
	if (err == -E_INVAL)
		err = hv_audit_plant(e, rule);
	if (err == 0)
		*report = audit_run();
	audit_unplant();
	tlb_flush(e->as, 0, ULIM);
	return err;
}

int64_t
sys_audit(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	const struct audit_report *report = NULL;
	int err = user_touch(e->as, arg[0], sizeof(*report), ACCESS_WRITE);

	if (err < 0)
		return err;
	if (arg[1] > AUDIT_NONE)
		return -E_INVAL;
	if (arg[1] == AUDIT_NONE)
		report = audit_run();
	else if ((err = audit_broken(e, arg[1], &report)) < 0)
		return err;
	return copy_out(e->as, arg[0], report, sizeof(*report));
}
