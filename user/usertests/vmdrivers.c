#include "user/usertests/vmtest.h"

/*
 * The threads that drive vCPUs of one VM end together, and the VM ends with them: whoever of them
 * ends first, for whatever reason, and however they are related.
 */

enum { STATUS = 7, COUNTER = 0x2000 };

/* sti; again: incw COUNTER; jmp again */
static const uint8_t code[] = {0xfb, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa};
static volatile uint32_t step, vm;

/* The caller's vCPU, the n-th, runs the guest's code for ever. */
static void
drive(unsigned int n)
{
	struct vm_regs regs;

	CHECK_RESULT(sys_vcpu_create(vm, RUN + n), n);
	CHECK_RESULT(sys_vcpu_get_regs(vm, n, &regs), 0);
	regs.rip = CODE;
	regs.seg[SEG_CS].sel = 0;
	regs.seg[SEG_CS].base = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, n, &regs), 0);
	RUN[n].deadline = UINT64_MAX;
	for (;;)
		sys_vcpu_run(vm, n);
}

static void
wait_for_guest(void)
{
	while (!*(volatile uint16_t *)(RAM + COUNTER))
		sys_env_yield();
}

static void
drive_second(void *arg)
{
	(void)arg;
	drive(1);
}

/* Starts a VM whose second vCPU runs; the thread that drives it. */
static long
start_guest(void)
{
	long id;

	vm = new_guest(code, sizeof code);
	id = start_thread(0, drive_second, NULL);
	wait_for_guest();
	return id;
}

static void
owner_ends(void)
{
	start_guest();
}

static void
drive_and_exit(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	sys_env_exit(STATUS);
}

static void
drive_and_fault(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	*(volatile char *)SCRATCH = 1;
}

static void
driver_exits(void)
{
	vm = new_guest(code, sizeof code);
	start_thread(0, drive_and_exit, NULL);
	RUN->deadline = UINT64_MAX;
	for (;;)
		sys_vcpu_run(vm, 0);
}

/* Who waits for a thread does not wait for a driver; but then this one is gone, too. */
static void
driver_faults(void)
{
	vm = new_guest(code, sizeof code);
	sys_env_wait(start_thread(0, drive_and_fault, NULL));
	for (;;)
		sys_env_yield();
}

static void
driver_is_killed(void)
{
	sys_env_kill(start_guest());
}

static void
owner_is_killed(void)
{
	const uint32_t self = sys_env_id();
	struct ipc_msg started;
	long child = must_fork();

	if (child == 0) {
		start_guest();
		CHECK_RESULT(sys_ipc_send(self, 0, NULL), 0);
		for (;;)
			sys_vcpu_run(vm, 0);
	}
	CHECK_RESULT(sys_ipc_recv(&started, NULL), 0);
	sys_env_sleep(20000);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
}

/* Whoever of a VM's drivers ends, all end, and the VM is gone. */
void
test_vm_drivers_end(void)
{
	uint64_t before;

	if (!have_vms())
		return;
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
	before = pages_available();
	CHECK_RESULT(run_child(owner_ends), 0);
	CHECK_RESULT(run_child(driver_exits), STATUS);
	CHECK_DIES(driver_faults);
	CHECK_DIES(driver_is_killed);
	owner_is_killed();
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
	CHECK_RESULT(pages_available(), before);
}

static void
drive_third(void *arg)
{
	(void)arg;
	drive(2);
}

/* A driver whose own thread is a driver, too. */
static void
drive_and_start(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	start_thread(2, drive_third, NULL);
	for (;;)
		sys_mem_wait(&step, 0);
}

static void
end_before_grandchild(void)
{
	vm = new_guest(code, sizeof code);
	start_thread(1, drive_and_start, NULL);
	wait_for_guest();
	exit(STATUS);
}

/* On another CPU its other driver may be on its way to sleep. */
static void
destroy_vm(void)
{
	long err;

	while ((err = sys_vm_destroy(vm)) == -E_AGAIN)
		sys_env_yield();
	CHECK_RESULT(err, 0);
}

/* Drives a vCPU of a VM that is destroyed, and makes another. */
static void
drive_and_create(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	tell(&step, 1);
	await(&step, 2);
	vm = new_vm();
	tell(&step, 3);
	for (;;)
		sys_mem_wait(&step, 3);
}

/* They still end together: it is a VM of both. */
static void
end_before_creator(void)
{
	vm = new_guest(code, sizeof code);
	start_thread(1, drive_and_create, NULL);
	await(&step, 1);
	destroy_vm();
	tell(&step, 2);
	await(&step, 3);
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 2), 0);
	exit(STATUS);
}

/* A driver of the VM of the thread that has begun it, which then drives a vCPU of another VM. */
static void
drive_for_thread(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	tell(&step, 1);
	await(&step, 3);
	/* Whoever it was to end with has ended. */
	for (;;)
		sys_env_yield();
}

static void
own_and_join(void *arg)
{
	(void)arg;
	vm = new_guest(code, sizeof code);
	start_thread(2, drive_for_thread, NULL);
	await(&step, 1);
	destroy_vm();
	tell(&step, 2);
	await(&step, 3);
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 3), 0);
	tell(&step, 4);
	for (;;)
		sys_mem_wait(&step, 4);
}

static void
end_before_follower(void)
{
	start_thread(1, own_and_join, NULL);
	await(&step, 2);
	vm = new_vm();
	tell(&step, 3);
	await(&step, 4);
	exit(STATUS);
}

static unsigned int
processes(void)
{
	struct sys_info info;

	CHECK_RESULT(sys_sys_info(&info), 0);
	return info.envs;
}

void
test_vm_drivers(void)
{
	static void (*const families[])(void) = {end_before_grandchild, end_before_creator,
	                                         end_before_follower};
	unsigned int before = processes();

	if (!have_vms())
		return;
	for (unsigned int i = 0; i < ARRAY_SIZE(families); i++) {
		CHECK_RESULT(run_child(families[i]), STATUS);
		CHECK_RESULT(processes(), before);
	}
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
}
