#include "user/usertests/vmtest.h"

/* Where the time of a VM goes, when it shares the CPU. */

static uint64_t
sum_of(const uint64_t time[VM_TIMES])
{
	uint64_t sum = 0;

	for (enum vm_time t = 0; t < VM_TIMES; t++)
		sum += time[t];
	return sum;
}

/* A guest that spins for a fifth of a second, beside a process that does so for ever. */
void
test_vm_times(void)
{
	static const uint8_t code[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	static struct vm_stats stats;
	struct sys_info info;
	uint64_t span;
	uint32_t vm;
	long child;

	if (!have_vms())
		return;
	CHECK_RESULT(sys_sys_info(&info), 0);
	span = info.tsc_hz / 5;
	child = must_fork();
	if (child == 0)
		for (;;)
			;
	vm = new_guest(code, sizeof code);
	RUN->deadline = rdtsc() + span;
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	CHECK_RESULT(sys_vm_stats(vm, &stats), 0);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
	CHECK_RESULT(sum_of(stats.time), stats.wall);
	CHECK(stats.wall >= span);
	CHECK(stats.time[VM_TIME_GUEST] > span / 4);
	CHECK(stats.time[VM_TIME_WAITING] > span / 4);
	CHECK_RESULT(stats.time[VM_TIME_HALTED], 0);
	CHECK_RESULT(stats.time[VM_TIME_HANDLER], stats.total_cycles);
	CHECK(stats.count[HV_EXIT_EXTERNAL_INTERRUPT] > 0);
}
