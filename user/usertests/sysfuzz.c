#include "user/usertests/vmtest.h"

/*
 * A program out of its mind: every system call but those that end the machine or take the console,
 * with arguments that are nearly right.  Seeded, so that a failure comes again.  It may kill itself
 * by what it does to its memory, and nothing else: the kernel lives, has all of its memory, and an
 * audit finds nothing wrong.
 */

enum { CALLS = 20000, SEEDS = 2, SEEDS_LONG = 60, BLOCKED_TURNS = 3 };

static volatile uint64_t made; /* calls, by this process */

/* These end the machine, talk to the person at it, or stop everything. */
static bool
is_forbidden(long nr)
{
	return nr == SYS_poweroff || nr == SYS_kmonitor || nr == SYS_env_exit ||
	       nr == SYS_console_write || nr == SYS_console_read || nr == SYS_console_give;
}

/* These may wait for ever, or make a process: for a child that is killed soon. */
static bool
is_for_child(long nr)
{
	return nr == SYS_env_wait || nr == SYS_env_attend || nr == SYS_env_sleep ||
	       nr == SYS_ipc_send || nr == SYS_ipc_recv || nr == SYS_vm_requests ||
	       nr == SYS_vcpu_run || nr == SYS_vcpu_wait || nr == SYS_mem_wait;
}

/* These leave processes behind: what a child makes nobody would find. */
static bool
makes_process(long nr)
{
	return nr == SYS_fork || nr == SYS_thread || nr == SYS_spawn || nr == SYS_vm_clone;
}

static uint64_t
odd_argument(void)
{
	static const char *const names[] = {"echo", "t/cutelf", "t/empty", "nosuch", "guest"};
	static const uint64_t limits[] = {
	        0,           PAGE_SIZE,   LARGE_PAGE_SIZE, 1ull << 32, 1ull << 39,
	        ULIM,        UVM_RAM,     URUN_BASE,       UTEXT,      KERNBASE,
	        DIRECT_BASE, KTABLE_BASE, USTACK_TOP,      1ull << 63,
	};
	static uint8_t buffer[16384];

	switch (below(8)) {
	case 0:
		return random();
	case 1:
		return limits[below(ARRAY_SIZE(limits))] + below(3) - 1;
	case 2:
		return limits[below(ARRAY_SIZE(limits))] - below(3) * PAGE_SIZE;
	case 3:
		return (uint64_t)names[below(ARRAY_SIZE(names))];
	case 4:
		return (uint64_t)buffer + below(64) * 8;
	case 5:
		return SCRATCH + below(1024) * PAGE_SIZE;
	case 6:
		return below(64) * PAGE_SIZE;
	default:
		return below(8);
	}
}

static long
odd_call(long nr)
{
	made++;
	return syscall5(nr, odd_argument(), odd_argument(), odd_argument(), odd_argument(),
	                odd_argument());
}

/* A child makes the call, and dies of it, or is killed when it has had its chance. */
static void
call_in_child(long nr)
{
	long child = sys_fork();

	if (child < 0)
		return;
	if (child == 0) {
		odd_call(nr);
		exit(0);
	}
	for (int i = 0; i < BLOCKED_TURNS; i++)
		sys_env_yield();
	sys_env_kill(child);
	sys_env_wait(child);
}

/* New memory, or the end of some: of our own it would be the end of us, mostly. */
static void
call_on_memory(void)
{
	uint64_t va = one_in(2) ? SCRATCH + below(1024) * PAGE_SIZE : UVM_RAM;
	uint64_t size = one_in(4) ? below(4) * LARGE_PAGE_SIZE : below(32) * PAGE_SIZE;
	static const char *const files[] = {"echo", "guest", "t/empty"};

	switch (below(4)) {
	case 0:
		sys_mem_map((void *)va, size);
		break;
	case 1:
		sys_mem_unmap((void *)va, size);
		break;
	case 2:
		sys_file_map(files[below(ARRAY_SIZE(files))], (void *)va);
		break;
	default: /* the kernel writes there, if anybody can */
		sys_sys_info((void *)(va + below(4) * PAGE_SIZE));
	}
}

static void
go_mad(uint64_t seed)
{
	random_seed(seed);
	while (made < CALLS) {
		long nr = one_in(64) ? (long)odd_argument() : (long)below(SYS_MAX);

		if (one_in(3)) {
			made++;
			call_on_memory();
		}
		if (is_forbidden(nr) || makes_process(nr) || nr == SYS_env_kill)
			continue;
		else if ((nr == SYS_audit || nr == SYS_mem_unmap) && !one_in(200))
			continue;
		else if (!is_for_child(nr))
			odd_call(nr);
		else if (one_in(16))
			call_in_child(nr);
	}
}

static void
fuzz(unsigned int seeds)
{
	static struct audit_report report;

	for (uint64_t seed = 1; seed <= seeds; seed++) {
		uint64_t before = pages_available();
		long child = must_fork(), status;

		if (child == 0) {
			go_mad(seed * 0x9e3779b97f4a7c15);
			exit(0);
		}
		status = sys_env_wait(child);
		CHECK(status == 0 || status == ENV_WAIT_KILLED);
		CHECK_RESULT(run_child(keep_usual_accounts), 0);
		CHECK_RESULT(pages_available(), before);
	}
	CHECK_RESULT(sys_audit(&report, AUDIT_NONE), 0);
	audit_print_findings(&report, printf);
	CHECK_RESULT(report.violations, 0);
	printf("sys_fuzz: %u programs of up to %d calls\n", seeds, CALLS);
}

void
test_sys_fuzz(void)
{
	fuzz(SEEDS);
}

void
test_sys_fuzz_long(void)
{
	fuzz(SEEDS_LONG);
}
