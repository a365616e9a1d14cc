#include "guest/checks/check.h"

#include "guest/kernel/console.h"
#include "guest/kernel/cpu.h"
#include "guest/kernel/trap.h"

/* Prints and counts the checks that commands make. */

static struct check_counts counts;

struct check_counts
check_counts(void)
{
	return counts;
}

static void
report(const char *verdict, const char *fmt, va_list ap)
{
	printf("%s ", verdict);
	vprintf(fmt, ap);
	printf("\n");
}

bool
check(bool ok, const char *fmt, ...)
{
	va_list ap;

	if (ok)
		counts.passed++;
	else
		counts.failed++;
	va_start(ap, fmt);
	report(ok ? "PASS" : "FAIL", fmt, ap);
	va_end(ap);
	return ok;
}

bool
check_in_vm(bool ok, const char *fmt, ...)
{
	bool note = !ok && !in_nestling();
	va_list ap;

	if (ok)
		counts.passed++;
	else if (!note)
		counts.failed++;
	va_start(ap, fmt);
	report(note ? "NOTE not on this machine:" : ok ? "PASS" : "FAIL", fmt, ap);
	va_end(ap);
	return ok;
}

bool
check_fault(void (*fn)(void *), void *arg, unsigned int vector, const char *what)
{
	struct fault f;

	if (!try_run(fn, arg, &f))
		return check(false, "%s: %s expected, nothing happened", what, trap_name(vector));
	if (f.vector != vector)
		return check(false, "%s: %s expected, %s came", what, trap_name(vector),
		             trap_name(f.vector));
	return check(true, "%s: %s", what, trap_name(vector));
}

bool
check_runs(void (*fn)(void *), void *arg, const char *what)
{
	struct fault f;

	if (try_run(fn, arg, &f))
		return check(false, "%s: unexpected %s, error %lx", what, trap_name(f.vector),
		             f.error);
	return check(true, "%s", what);
}
