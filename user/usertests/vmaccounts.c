#include "user/usertests/vmtest.h"

/* The accounts of a VM: where its time went, and who may ask. */

static uint64_t
sum_of(const uint64_t time[VM_TIMES])
{
	uint64_t sum = 0;

	for (enum vm_time t = 0; t < VM_TIMES; t++)
		sum += time[t];
	return sum;
}

/* A guest that spins for a fifth of a second, beside as many processes as there are CPUs.  Where
 * ticks are real time and the emulator gets little of it, again, until guest and others have had
 * their share.
 */
void
test_vm_times(void)
{
	enum { TRIES = 20 };
	static const uint8_t code[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	static struct vm_stats stats;
	const uint64_t *time = stats.time;
	uint64_t guest, waiting;
	struct sys_info info;
	long child[CPUS_MAX];
	uint64_t span;
	uint32_t vm;

	if (!have_vms())
		return;
	CHECK_RESULT(sys_sys_info(&info), 0);
	span = info.tsc_hz / 5;
	for (unsigned int i = 0; i < info.cpus; i++)
		if ((child[i] = must_fork()) == 0)
			for (;;)
				;
	guest = span / 4;
	waiting = span / (2 * (info.cpus + 1));
	vm = new_guest(code, sizeof code);
	for (int i = 0;
	     i < TRIES && (time[VM_TIME_GUEST] <= guest || time[VM_TIME_WAITING] <= waiting); i++) {
		RUN->deadline = rdtsc() + span;
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
		CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &stats), 0);
	}
	for (unsigned int i = 0; i < info.cpus; i++) {
		CHECK_RESULT(sys_env_kill(child[i]), 0);
		CHECK_RESULT(sys_env_wait(child[i]), ENV_WAIT_KILLED);
	}
	CHECK_RESULT(sum_of(stats.time), stats.wall);
	CHECK(stats.wall >= span);
	CHECK(time[VM_TIME_GUEST] > guest);
	CHECK(time[VM_TIME_WAITING] > waiting);
	CHECK_RESULT(stats.time[VM_TIME_HALTED], 0);
	CHECK_RESULT(stats.time[VM_TIME_HANDLER], stats.total_cycles);
	CHECK(stats.count[HV_EXIT_EXTERNAL_INTERRUPT] > 0);
}

/* What a program may not ask about a VM that has made that many exits. */
static void
check_accounts_refused(uint32_t vm, uint64_t exits)
{
	void *const kernel = (void *)KERNBASE;
	static struct vm_stats now, before;
	static struct vm_keys keys;
	uint64_t buckets[VM_BUCKETS];
	struct vm_trace trace;
	struct vm_span span;

	CHECK_RESULT(sys_vm_trace(vm, 0, exits, &trace), -E_NOT_FOUND);
	CHECK_RESULT(sys_vm_trace(vm, VM_VCPUS_MAX, 0, &trace), -E_INVAL);
	CHECK_RESULT(sys_vm_trace(vm, 0, 0, kernel), -E_FAULT);
	CHECK_RESULT(sys_vm_span(vm, VM_VCPUS_MAX, 0, &span), -E_INVAL);
	CHECK_RESULT(sys_vm_span(vm, 0, 0, kernel), -E_FAULT);
	CHECK_RESULT(sys_vm_keys(vm, VM_ALL_VCPUS, HV_EXIT_KINDS, &keys), -E_INVAL);
	CHECK_RESULT(sys_vm_keys(vm, VM_ALL_VCPUS, HV_EXIT_CPUID, kernel), -E_FAULT);
	CHECK_RESULT(sys_vm_histogram(vm, VM_ALL_VCPUS, HV_EXIT_KINDS, buckets), -E_INVAL);
	CHECK_RESULT(sys_vm_histogram(vm, VM_ALL_VCPUS, HV_EXIT_CPUID, kernel), -E_FAULT);
	CHECK_RESULT(sys_vm_mark(vm, kernel, &before), -E_FAULT);
	CHECK_RESULT(sys_vm_mark(vm, &now, kernel), -E_FAULT);
	CHECK_RESULT(sys_vm_stats(vm + 1, VM_ALL_VCPUS, &now), -E_BAD_VM);
	CHECK_RESULT(sys_vm_stats(vm, 1, &now), -E_INVAL);
	CHECK_RESULT(sys_vm_keys(vm, 1, HV_EXIT_CPUID, &keys), -E_INVAL);
	CHECK_RESULT(sys_vm_histogram(vm, 1, HV_EXIT_CPUID, buckets), -E_INVAL);
	CHECK_RESULT(sys_vm_trace(vm, VM_ALL_VCPUS, 0, &trace), -E_INVAL);
	CHECK_RESULT(sys_vm_trace(vm + 1, 0, 0, &trace), -E_BAD_VM);
	CHECK_RESULT(sys_vm_span(vm + 1, 0, 0, &span), -E_BAD_VM);
}

/* Kept are the accounts of the VMs that ended last, of which this is one, and no others. */
static void
check_accounts_kept(uint32_t vm)
{
	static struct vm_stats now;
	uint32_t next;

	for (unsigned int n = 1; n <= VM_KEPT; n++) {
		CHECK_RESULT(sys_vm_stats(VM_ENDED(n - 1), VM_ALL_VCPUS, &now), 0);
		CHECK(now.id == vm && now.total > 0);
		next = new_vm();
		CHECK_RESULT(sys_vcpu_create(next, RUN + n), 0);
		CHECK_RESULT(sys_vm_destroy(next), 0);
	}
	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &now), -E_BAD_VM);
	CHECK_RESULT(sys_vm_stats(VM_ENDED(VM_KEPT), VM_ALL_VCPUS, &now), -E_BAD_VM);
	CHECK_RESULT(sys_vm_stats(0, VM_ALL_VCPUS, &now), 0);
	CHECK(!now.live && now.id == next && now.total == 0);
}

/* What a program may ask about a VM that is not its own. */
void
test_vm_accounts(void)
{
	static const uint8_t code[] = {0xe6, PORT, 0xeb, 0xfc}; /* 1: out PORT, al; jmp 1b */
	static struct vm_stats now, before;
	static struct vm_keys keys;
	uint64_t buckets[VM_BUCKETS];
	struct vm_trace trace;
	struct vm_span span;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vm_trace(vm, 0, 0, &trace), -E_NOT_FOUND);
	CHECK_RESULT(sys_vm_span(vm, 0, 0, &span), 0);
	CHECK(span.state == VM_TIME_MONITOR && span.exits == 0);
	/* There are as many as it has waited for a CPU already. */
	CHECK_RESULT(sys_vm_span(vm, 0, 1000, &span), -E_NOT_FOUND);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(sys_vm_mark(vm, &now, &before), 0);
	CHECK(now.live && now.id == vm && before.total == 0 && now.total > 0);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(sys_vm_mark(vm, &now, &before), 0);
	CHECK(now.total > before.total);
	CHECK_RESULT(sys_vm_trace(vm, 0, now.total - 1, &trace), 0);
	CHECK(trace.kind == HV_EXIT_IO_INSTRUCTION && trace.rip == CODE && trace.key == PORT);
	CHECK_RESULT(sys_vm_keys(vm, VM_ALL_VCPUS, HV_EXIT_IO_INSTRUCTION, &keys), 0);
	CHECK(keys.rows == 1 && keys.row[0].key == PORT && keys.row[0].count == 2);
	CHECK_RESULT(sys_vm_histogram(vm, VM_ALL_VCPUS, HV_EXIT_IO_INSTRUCTION, buckets), 0);
	CHECK_RESULT(sys_vm_stats(vm, 0, &now), 0);
	CHECK(now.vcpus == 1 && now.vcpu == 0);
	check_accounts_refused(vm, now.total);
	CHECK_RESULT(sys_vm_destroy(vm), 0);
	CHECK_RESULT(sys_vm_stats(0, VM_ALL_VCPUS, &now), 0);
	CHECK(!now.live && now.id == vm);
	CHECK_RESULT(sys_vm_trace(vm, 0, 0, &trace), 0);
	check_accounts_kept(vm);
}
