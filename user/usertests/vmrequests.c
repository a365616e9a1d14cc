#include "user/usertests/vmtest.h"

/* Requests to the monitor of a VM, and the clock of a VM that was paused. */

static struct vm_info
info_of(uint32_t vm)
{
	struct vm_info info;

	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		if (info.id == vm)
			return info;
	return (struct vm_info){0};
}

/* A monitor whose guest spins; it pauses and resumes as asked, and ends with what else comes. */
static void
obey(void)
{
	static const uint8_t code[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	uint32_t vm = new_guest(code, sizeof code);
	bool paused = false;

	for (;;) {
		long requests = sys_vm_requests(vm, paused);

		CHECK(requests >= 0);
		paused = requests & VM_REQ_PAUSE || (paused && !(requests & VM_REQ_RESUME));
		if (requests & VM_REQ_STOP)
			exit(requests & VM_REQ_RESET ? 2 : 1);
		if (paused)
			continue;
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	}
}

/* The VM of a process, once it runs. */
static uint32_t
vm_of(uint32_t owner)
{
	struct vm_info info;

	for (;;) {
		for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
			if (info.owner == owner && info.state == VM_RUNNING)
				return info.id;
		sys_env_sleep(1000);
	}
}

static void
await_state(uint32_t vm, enum vm_state state)
{
	while (info_of(vm).state != state)
		sys_env_sleep(1000);
}

void
test_vm_requests(void)
{
	uint64_t ticks;
	uint32_t vm;
	long child, sibling;

	CHECK_RESULT(sys_vm_post(0, VM_REQ_STOP), -E_BAD_VM);
	CHECK_RESULT(sys_vm_requests(0, false), -E_BAD_VM);
	if (!have_vms())
		return;
	child = must_fork();
	if (child == 0)
		obey();
	vm = vm_of(child);
	CHECK_RESULT(sys_vm_post(vm, 0), -E_INVAL);
	CHECK_RESULT(sys_vm_post(vm, VM_REQ_ALL + 1), -E_INVAL);
	CHECK_RESULT(sys_vm_requests(vm, true), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_set_back(vm, 0, 1), -E_BAD_VM);
	sibling = must_fork();
	if (sibling == 0)
		exit(sys_vm_post(vm, VM_REQ_STOP) != -E_BAD_VM);
	CHECK_RESULT(sys_env_wait(sibling), 0);

	for (int i = 0; i < 3; i++) {
		CHECK_RESULT(sys_vm_post(vm, VM_REQ_PAUSE), 0);
		await_state(vm, VM_PAUSED);
		ticks = info_of(vm).ticks;
		sys_env_sleep(30000);
		CHECK_RESULT(info_of(vm).ticks, ticks);
		CHECK_RESULT(sys_vm_post(vm, VM_REQ_RESUME), 0);
		await_state(vm, VM_RUNNING);
	}
	/* Both may come at once, and the last of two that contradict each other counts. */
	CHECK_RESULT(sys_vm_post(vm, VM_REQ_PAUSE), 0);
	CHECK_RESULT(sys_vm_post(vm, VM_REQ_RESUME), 0);
	CHECK_RESULT(sys_vm_post(vm, VM_REQ_STOP | VM_REQ_RESET), 0);
	CHECK_RESULT(sys_env_wait(child), 2);
	CHECK_RESULT(sys_vm_post(vm, VM_REQ_STOP), -E_BAD_VM);
}

void
test_vm_pause_ends(void)
{
	uint32_t vm;
	long child;

	if (!have_vms())
		return;
	for (int kill = 0; kill < 2; kill++) {
		child = must_fork();
		if (child == 0)
			obey();
		vm = vm_of(child);
		CHECK_RESULT(sys_vm_post(vm, VM_REQ_PAUSE), 0);
		await_state(vm, VM_PAUSED);
		CHECK_RESULT(kill ? sys_env_kill(child) : sys_vm_post(vm, VM_REQ_STOP), 0);
		CHECK_RESULT(sys_env_wait(child), kill ? ENV_WAIT_KILLED : 1);
	}
}

/* rdtsc; mov [2000], eax; mov [2004], edx; out PORT, al; jmp */
static uint64_t
guest_tsc(uint32_t vm)
{
	uint64_t tsc;

	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_IO);
	memcpy(&tsc, RAM + 0x2000, sizeof tsc);
	return tsc;
}

void
test_vm_tsc(void)
{
	static const uint8_t code[] = {0x0f, 0x31, 0x66, 0xa3, 0x00, 0x20, 0x66, 0x89,
	                               0x16, 0x04, 0x20, 0xe6, PORT, 0xeb, 0xf1};
	const uint64_t back = 1ull << 40;
	uint64_t before, after, host;
	uint32_t vm;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	host = rdtsc();
	before = guest_tsc(vm);
	CHECK_RESULT(sys_vcpu_set_back(vm, 1, back), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_set_back(vm, 0, back), 0);
	after = guest_tsc(vm);
	host = rdtsc() - host;
	CHECK(after + back > before && after + back - before < host);
}
