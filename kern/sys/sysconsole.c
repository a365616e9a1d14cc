#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/boot.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/poweroff.h"
#include "kern/dev/timer.h"
#include "kern/ipi.h"
#include "kern/kmonitor.h"
#include "kern/lock.h"
#include "kern/mem/aspace.h"
#include "kern/mem/page.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "kern/terminal.h"
#include "lib/string.h"
#include "vmm/hv.h"

/* System calls: the console, and the machine as a whole. */

enum { CHUNK = 256 };

int64_t
sys_console_write(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t size = arg[1] < CONSOLE_IO_MAX ? arg[1] : CONSOLE_IO_MAX;
	char buf[CHUNK];

	for (uint64_t done = 0; done < size;) {
		uint64_t n = size - done < CHUNK ? size - done : CHUNK;
		int err = copy_in(e->as, buf, arg[0] + done, n);

		if (err)
			return err;
		console_write(buf, n);
		done += n;
	}
	return size;
}

int64_t
sys_console_read(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t size = arg[1] < CHUNK ? arg[1] : CHUNK;
	char buf[CHUNK];
	uint64_t n = 0;
	int c, err = user_touch(e->as, arg[0], size, ACCESS_WRITE);

	if (err) /* before input is taken that nobody would get */
		return err;
	if (arg[2] > CONSOLE_WAIT_CHILD)
		return -E_INVAL;
	while (terminal_owned(e) && n < size && (c = console_getc()) >= 0)
		buf[n++] = c;
	if (!n && arg[2] == CONSOLE_WAIT_CHILD && env_ended_child(e))
		return -E_AGAIN;
	if (!n && size && arg[2] != CONSOLE_POLL)
		syscall_restart(e, WAIT_CONSOLE, 0);
	err = copy_out(e->as, arg[0], buf, n);
	return err ? err : (int64_t)n;
}

int64_t
sys_console_give(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return arg[0] <= UINT32_MAX ? terminal_give(e, env_find(arg[0])) : -E_BAD_ENV;
}

int64_t
sys_sys_info(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct page_counts pages;
	struct sys_info info;

	page_counts(&pages);
	info = (struct sys_info){
	        .pages_total = pages.total,
	        .pages_free = pages.free,
	        .pages_reserved = pages.reserved,
	        .pages_large = pages.large,
	        .tsc_hz = tsc_hz,
	        .cpus = cpu_count,
	        .uptime_ticks = rdtsc(),
	        .envs = env_count,
	        .vms = vm_count(),
	        .lock_taken = kernel_lock.taken,
	        .page_allocs = page_allocs(),
	};
	return copy_out(e->as, arg[0], &info, sizeof info);
}

int64_t
sys_cmdline(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t length = strlen(boot_info.cmdline);
	uint64_t size = length + 1 < arg[1] ? length + 1 : arg[1];
	int err = copy_out(e->as, arg[0], boot_info.cmdline, size);

	return err ? err : (int64_t)length;
}

int64_t
sys_poweroff(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	(void)e;
	if (arg[0] > UINT8_MAX)
		return -E_INVAL;
	poweroff(arg[0]);
}

int64_t
sys_kmonitor(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	(void)arg;
	cpu_recall_others(); /* the machine stands still while somebody looks at it */
	kmonitor(e->tf);
	return 0;
}
