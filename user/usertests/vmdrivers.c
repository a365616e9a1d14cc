#include "user/usertests/vmtest.h"

/*
 * Threads that come to drive vCPUs by unusual ways.  All that drive vCPUs of one VM end together,
 * and the VM with them, however they are related.
 */

enum { STACK = 0x4000, STATUS = 7, COUNTER = 0x2000 };

/* sti; again: incw COUNTER; jmp again */
static const uint8_t code[] = {0xfb, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa};
static volatile uint32_t step, vm;

static void
go_to(uint32_t n)
{
	step = n;
	sys_mem_wake(&step, UINT32_MAX);
}

static void
wait_for_step(uint32_t n)
{
	for (uint32_t now; (now = step) < n;)
		sys_mem_wait(&step, now);
}

/* On a stack of its own, the n-th. */
static long
thread(unsigned int n, void (*fn)(void *arg))
{
	char *stack = (char *)SCRATCH + n * 0x100000;
	long id;

	CHECK_RESULT(sys_mem_map(stack, STACK), 0);
	id = sys_thread(fn, stack + STACK - sizeof(uint64_t), NULL);
	CHECK(id > 0);
	return id;
}

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
drive_third(void *arg)
{
	(void)arg;
	drive(2);
}

/* A driver whose own thread is a driver, too. */
static void
drive_second(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	thread(2, drive_third);
	for (;;)
		sys_mem_wait(&step, 0);
}

static void
end_before_grandchild(void)
{
	vm = new_guest(code, sizeof code);
	thread(1, drive_second);
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
	go_to(1);
	wait_for_step(2);
	vm = new_vm();
	go_to(3);
	for (;;)
		sys_mem_wait(&step, 3);
}

/* They still end together: it is a VM of both. */
static void
end_before_creator(void)
{
	vm = new_guest(code, sizeof code);
	thread(1, drive_and_create);
	wait_for_step(1);
	destroy_vm();
	go_to(2);
	wait_for_step(3);
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 2), 0);
	exit(STATUS);
}

/* A driver of the VM of the thread that has begun it, which then drives a vCPU of another VM. */
static void
drive_for_thread(void *arg)
{
	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	go_to(1);
	wait_for_step(3);
	/* Whoever it was to end with has ended. */
	for (;;)
		sys_env_yield();
}

static void
own_and_join(void *arg)
{
	(void)arg;
	vm = new_guest(code, sizeof code);
	thread(2, drive_for_thread);
	wait_for_step(1);
	destroy_vm();
	go_to(2);
	wait_for_step(3);
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 3), 0);
	go_to(4);
	for (;;)
		sys_mem_wait(&step, 4);
}

static void
end_before_follower(void)
{
	thread(1, own_and_join);
	wait_for_step(2);
	vm = new_vm();
	go_to(3);
	wait_for_step(4);
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
