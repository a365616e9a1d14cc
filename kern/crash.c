#include "kern/crash.h"

#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/debug.h"
#include "kern/dev/dev.h"
#include "kern/dev/poweroff.h"
#include "kern/ipi.h"
#include "kern/kmonitor.h"
#include "kern/panic.h"
#include "kern/trap.h"
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

/* Stops the machine and prints the message.  A panic while panicking does no more than that. */
static void
begin(struct panic *p)
{
	static bool panicking;

	cli();
	if (cpu_count && !cpu_stop_others())
		for (;;)
			__asm__ volatile("cli; hlt");
	console_fresh_line();
	kprintf("nestling: panic: ");
	kvprintf(p->fmt, p->args);
	if (panicking)
		poweroff(STATUS_PANIC);
	panicking = true;
}

static _Noreturn void
crash(struct panic *p)
{
	begin(p);
	if (p->tf) {
		console_fresh_line();
		trap_print(p->tf);
		backtrace(p->tf->rbp, p->tf->rip);
	} else {
		kprintf(" (%s:%d)\n", p->file, p->line);
		/* The call is noreturn: behind it may be another function. */
		backtrace(p->frame[0], p->frame[1] - 1);
	}
	if (!unattended() && uart_present())
		kmonitor(p->tf);
	poweroff(STATUS_PANIC);
}

void
crash_init(void)
{
	panic_handler = crash;
}
