#include "kern/panic.h"

#include <stddef.h>

#include "lib/assert.h"

void (*panic_handler)(struct panic *p);

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	struct panic p = {
	        .fmt = fmt,
	        .file = file,
	        .line = line,
	        .frame = __builtin_frame_address(0),
	};

	va_start(p.args, fmt);
	panic_handler(&p);
	__builtin_unreachable();
}

_Noreturn void
panic_trap(struct trapframe *tf, const char *fmt, ...)
{
	struct panic p = {.fmt = fmt, .tf = tf};

	va_start(p.args, fmt);
	panic_handler(&p);
	__builtin_unreachable();
}
