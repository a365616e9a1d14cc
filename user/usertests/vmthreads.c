#include "user/usertests/vmtest.h"

/* Two threads that drive the vCPUs of one VM. */

enum { VCPUS = 2 };

static volatile uint32_t word, answers, parked, deaths;
static uint32_t vm;
static const uint8_t code[] = {0xfb, 0x66, 0xff, 0x07, 0xeb, 0xfb}; /* sti; incl (%bx); jmp to it */

/* Creates a second vCPU, which will begin at the code too, and says so. */
static void
create_second(uint64_t rbx)
{
	struct vm_regs regs;

	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 2), -E_EXISTS);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 1, &regs), 0);
	regs.rip = CODE;
	regs.gpr[REG_RBX] = rbx;
	regs.seg[SEG_CS].sel = 0;
	regs.seg[SEG_CS].base = 0;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 1, &regs), 0);
	RUN[1].deadline = UINT64_MAX;
	tell(&word, 1);
}

/* A second vCPU in the same guest, which counts in a word of its own for ever. */
static void
drive_second(void *arg)
{
	(void)arg;
	create_second(0x20);
	while (answers == 0) {
		CHECK_RESULT(sys_vcpu_run(vm, 1), 0);
		CHECK_RESULT(RUN[1].exit, VM_EXIT_EVENT);
	}
	tell(&answers, 2);
	CHECK_RESULT(sys_vcpu_wait(vm, 1, VM_TIME_HALTED), 0);
	tell(&answers, 3);
	await(&word, 2);
	for (;;) /* a clone's */
		sys_vcpu_run(vm, 1);
}

static void
wait_for_answer(uint32_t n)
{
	await(&answers, n);
	/* It has said so, and mostly waits in its next call by then. */
	sys_env_sleep(1000);
}

/* Those of the second vCPU, whose thread may be on its way to sleep on another CPU. */
static void
get_second_regs(uint32_t id, struct vm_regs *regs)
{
	long err;

	while ((err = sys_vcpu_get_regs(id, 1, regs)) == -E_AGAIN)
		sys_env_yield();
	CHECK_RESULT(err, 0);
}

/* The first vCPU's monitor runs its guest until the second one has counted, too. */
static void
drive_first(void)
{
	volatile uint32_t *first = (volatile uint32_t *)(RAM + 0x10);
	volatile uint32_t *second = (volatile uint32_t *)(RAM + 0x20);

	while (!*first || !*second) {
		struct sys_info info;

		CHECK_RESULT(sys_sys_info(&info), 0);
		RUN->deadline = rdtsc() + info.tsc_hz / 1000;
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	}
}

/* In the clone's monitor, which has both threads, too: its second vCPU stands where the origin's
 * does, and goes on. */
static void
check_clone(uint32_t clone, const struct vm_regs *before)
{
	volatile uint32_t *second = (volatile uint32_t *)(RAM + 0x20);
	uint32_t counted_before = *second;
	struct vm_regs regs;

	get_second_regs(clone, &regs);
	CHECK(!memcmp(&regs, before, sizeof regs));
	vm = clone;
	tell(&word, 2);
	while (*second == counted_before)
		sys_env_yield();
}

static void
check_clones(void)
{
	const volatile uint32_t *second = (volatile uint32_t *)(RAM + 0x20);
	uint32_t counted_before = *second, clone;
	struct vm_regs before, after;
	long child;

	get_second_regs(vm, &before);
	while ((child = sys_vm_clone(vm, &clone, false)) == -E_AGAIN)
		sys_env_yield();
	CHECK(child >= 0);
	if (child == 0) {
		check_clone(clone, &before);
		exit(0);
	}
	CHECK_RESULT(sys_env_wait(child), 0);
	get_second_regs(vm, &after);
	CHECK(!memcmp(&after, &before, sizeof after));
	CHECK_RESULT(*second, counted_before);
}

static volatile long received = 1; /* what sys_ipc_recv said; 1: nothing yet */

static void
drive_and_receive(void *arg)
{
	struct ipc_msg msg;

	(void)arg;
	CHECK_RESULT(sys_vcpu_create(vm, RUN + 1), 1);
	tell(&word, 1);
	received = sys_ipc_recv(&msg, NULL);
	for (;;)
		sys_env_sleep(1000);
}

/* A thread that waits for a message does so in the clone, too. */
void
test_vm_clone_receiver(void)
{
	uint32_t clone;
	long id, child;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	id = start_thread(0, drive_and_receive, NULL);
	await(&word, 1);
	while ((child = sys_vm_clone(vm, &clone, false)) == -E_AGAIN)
		sys_env_yield();
	CHECK(child >= 0);
	if (child == 0) {
		sys_env_sleep(1000);
		exit(received != 1);
	}
	CHECK_RESULT(sys_env_wait(child), 0);
	CHECK_RESULT(sys_ipc_send(id, 0, NULL), 0);
	while (received == 1)
		sys_env_yield();
	CHECK_RESULT(received, 0);
	CHECK_RESULT(sys_vm_destroy(vm), 0);
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
}

/* Kicks the other one, and goes back to sleep: the last to do that ends the VM, and wakes it. */
static void
sleep_dead(uint32_t self)
{
	CHECK_RESULT(sys_vcpu_kick(vm, !self), 0);
	CHECK_RESULT(sys_vcpu_run(vm, self), 0);
	if (RUN[self].exit == VM_EXIT_STOP)
		__atomic_fetch_add(&deaths, RUN[self].stop.why == VM_STOP_DEAD_HALT,
		                   __ATOMIC_RELAXED);
	else
		CHECK_RESULT(RUN[self].exit, VM_EXIT_EVENT);
	CHECK_RESULT(sys_vcpu_kick(vm, !self), 0);
}

/* The second vCPU halts with interrupts off until it is kicked, as by an INIT. */
static void
park_and_go(void *arg)
{
	(void)arg;
	create_second(0);
	CHECK_RESULT(sys_vcpu_run(vm, 1), 0);
	CHECK_RESULT(RUN[1].exit, VM_EXIT_EVENT);
	answers = 1;
	sleep_dead(1);
	tell(&answers, 2);
	for (;;)
		sys_mem_wait(&parked, 0);
}

/* Nothing is dead that has been kicked and did not hear it yet. */
void
test_vm_dead_halt(void)
{
	static const uint8_t halt[] = {0xfa, 0xf4}; /* cli; hlt */
	long err;

	if (!have_vms())
		return;
	vm = new_guest(halt, sizeof halt);
	start_thread(0, park_and_go, NULL);
	await(&word, 1);
	sys_env_sleep(20000);
	CHECK_RESULT(sys_vcpu_wait(vm, 0, VM_TIME_HALTED), 0); /* the end of the sleep was a kick */
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	CHECK_RESULT(answers, 1);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	if (RUN->exit == VM_EXIT_STOP)
		deaths++;
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	await(&answers, 2);
	CHECK_RESULT(deaths, 1);
	while ((err = sys_vm_destroy(vm)) == -E_AGAIN)
		sys_env_yield();
	CHECK_RESULT(err, 0);
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
}

static void
park(void *arg)
{
	(void)arg;
	for (;;)
		sys_mem_wait(&parked, 0);
}

/* There is room for a copy of the first thread, but not of the second. */
static void
check_clone_refused(void)
{
	enum { PROCESSES = 2048 }; /* more than there can be */
	static struct vm_stats ended, stats;
	static long ids[PROCESSES];
	unsigned int n = 0;
	uint64_t before;
	uint32_t clone;
	long id = start_thread(1, park, NULL);

	/* On one stack: they all do the same. */
	for (; id > 0; id = sys_thread(park, thread_stack(1), NULL)) {
		CHECK(n < PROCESSES);
		ids[n++] = id;
	}
	CHECK_RESULT(id, -E_NO_FREE_ENV);
	CHECK_RESULT(sys_env_kill(ids[--n]), 0);
	CHECK_RESULT(sys_env_wait(ids[n]), ENV_WAIT_KILLED);
	CHECK_RESULT(sys_vm_stats(VM_ENDED(0), VM_ALL_VCPUS, &ended), 0);
	before = pages_available();
	CHECK_RESULT(sys_vm_clone(vm, &clone, false), -E_NO_FREE_ENV);
	CHECK_RESULT(pages_available(), before);
	/* It never was the VM that ended last. */
	CHECK_RESULT(sys_vm_stats(VM_ENDED(0), VM_ALL_VCPUS, &stats), 0);
	CHECK_RESULT(stats.id, ended.id);
	while (n-- > 0) {
		CHECK_RESULT(sys_env_kill(ids[n]), 0);
		CHECK_RESULT(sys_env_wait(ids[n]), ENV_WAIT_KILLED);
	}
}

void
test_vm_threads(void)
{
	struct vm_stats stats;
	struct vm_span span;
	struct vm_regs regs;
	uint32_t clone;

	if (!have_vms())
		return;
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.gpr[REG_RBX] = 0x10;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	start_thread(0, drive_second, NULL);
	await(&word, 1);
	drive_first();
	/* The second is in its guest, where nobody may touch it. */
	CHECK_RESULT(sys_vm_destroy(vm), -E_AGAIN);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 1, &regs), -E_AGAIN);
	CHECK_RESULT(sys_vcpu_run(vm, 1), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_wait(vm, 1, VM_TIME_HALTED), -E_BAD_VM);
	CHECK_RESULT(sys_vcpu_wait(vm, 0, VM_TIME_GUEST), -E_INVAL);
	CHECK_RESULT(sys_vcpu_kick(vm, VCPUS), -E_BAD_VM);
	CHECK_RESULT(sys_vm_clone(vm, &clone, false), -E_AGAIN);
	answers = 1;
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	wait_for_answer(2);
	get_second_regs(vm, &regs);
	CHECK(regs.rip >= CODE && regs.rip < CODE + sizeof code);
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	wait_for_answer(3);
	check_clones();
	check_clone_refused();
	CHECK_RESULT(sys_vm_span(vm, 1, 0, &span), 0);
	CHECK_RESULT(sys_vm_stats(vm, VM_ALL_VCPUS, &stats), 0);
	CHECK(stats.count[HV_EXIT_UNKNOWN] == 0);
	CHECK_RESULT(sys_vm_destroy(vm), 0);
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
}
