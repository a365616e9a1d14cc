#include "lib/user/user.h"

void
panic_at(const char *file, int line, const char *fmt, ...)
{
	va_list ap;

	printf("[%lx] panic at %s:%d: ", sys_env_id(), file, line);
	va_start(ap, fmt);
	vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
	exit(1);
}
