#include <stdarg.h>

#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/debug.h"
#include "kern/dev/dev.h"
#include "kern/dev/poweroff.h"
#include "kern/ipi.h"
#include "kern/kmonitor.h"
#include "kern/trap.h"
#include "lib/assert.h"
#include "lib/string.h"

enum { STATUS_PANIC = 1 };

/* Does the kernel's command line name commands to run?  Then nobody sits at the console. */
static bool
unattended(void)
{
	const char *start = boot_info.cmdline;

	for (const char *s = start; *s; s++)
		if ((s == start || s[-1] == ' ') && !strncmp(s, "run=", 4))
			return true;
	return false;
}

/* The line.  A panic while panicking says its own and tries no more. */
static void
begin(const char *fmt, va_list ap)
{
	static bool panicking;

	cli();
	if (cpu_count && !cpu_stop_others())
		for (;;)
			__asm__ volatile("cli; hlt");
	console_fresh_line();
	kprintf("nestling: panic: ");
	kvprintf(fmt, ap);
	if (panicking)
		poweroff(STATUS_PANIC);
	panicking = true;
}

static _Noreturn void
end(struct trapframe *tf)
{
	if (!unattended() && uart_present())
		kmonitor(tf);
	poweroff(STATUS_PANIC);
}

_Noreturn void
panic_at(const char *file, int line, const char *fmt, ...)
{
	uint64_t *frame = __builtin_frame_address(0);
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	kprintf(" (%s:%d)\n", file, line);
	/* The call is noreturn: behind it may be another function. */
	backtrace(frame[0], frame[1] - 1);
	end(NULL);
}

_Noreturn void
panic_trap(struct trapframe *tf, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	begin(fmt, ap);
	va_end(ap);
	console_fresh_line();
	trap_print(tf);
	backtrace(tf->rbp, tf->rip);
	end(tf);
}
