#include "user/usertests/vmtest.h"

#include "lib/user/mutex.h"

/* Threads that share a lock, and that drive the vCPUs of one VM. */

enum { STACK = 0x4000, THREADS = 4, ROUNDS = 2000, ROUNDS_HOGGED = 20, VCPUS = 2 };

static volatile uint32_t word, answers, parked;
static struct mutex mutex;
static volatile uint64_t counted;

static char *
stack_of(unsigned int n)
{
	return (char *)SCRATCH + (n + 1) * 0x100000;
}

/* As if called: the return address is missing, and not needed. */
static void *
stack_top(unsigned int n)
{
	return stack_of(n) + STACK - sizeof(uint64_t);
}

/* A thread on a stack of its own, the n-th. */
static long
thread(unsigned int n, void (*fn)(void *arg), void *arg)
{
	long id;

	CHECK_RESULT(sys_mem_map(stack_of(n), STACK), 0);
	id = sys_thread(fn, stack_top(n), arg);
	CHECK(id > 0);
	return id;
}

static void
count(void *arg)
{
	(void)arg;
	for (unsigned int i = 0; i < ROUNDS; i++) {
		uint64_t now;

		mutex_lock(&mutex);
		now = counted;
		if (i % 64 == 0)
			sys_env_yield();
		counted = now + 1;
		mutex_unlock(&mutex);
	}
	__atomic_fetch_add(&answers, 1, __ATOMIC_RELAXED);
	sys_mem_wake(&answers, 1);
	sys_env_exit(0);
}

void
test_mutex(void)
{
	long ids[THREADS];
	uint32_t done;

	CHECK_RESULT(sys_mem_wait(&answers, 1), 0);
	CHECK_RESULT(sys_mem_wait((void *)KERNBASE, 0), -E_FAULT);
	CHECK_RESULT(sys_mem_wake(&answers, 1), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		ids[i] = thread(i, count, NULL);
	while ((done = answers) < THREADS)
		sys_mem_wait(&answers, done);
	CHECK_RESULT(counted, THREADS * ROUNDS);
	for (unsigned int i = 0; i < THREADS; i++)
		CHECK_RESULT(sys_env_wait(ids[i]), 0);
}

/* Has the lock nearly always, each time for longer than a slice; counts when it was not its turn.
 */
static void
hog(void *arg)
{
	struct sys_info info;
	bool awaited = false;

	(void)arg;
	sys_sys_info(&info);
	for (unsigned int i = 0; answers == 0 && i < ROUNDS_HOGGED; i++) {
		mutex_lock(&mutex);
		if (awaited && answers == 0)
			counted++;
		word = 1;
		for (uint64_t until = rdtsc() + info.tsc_hz / 50; rdtsc() < until;)
			awaited = mutex.next != mutex.serving + 1;
		mutex_unlock(&mutex);
	}
	sys_env_exit(0);
}

void
test_mutex_fair(void)
{
	long id = thread(0, hog, NULL);

	while (word == 0)
		sys_env_yield();
	mutex_lock(&mutex);
	answers = 1;
	mutex_unlock(&mutex);
	CHECK_RESULT(sys_env_wait(id), 0);
	CHECK_RESULT(counted, 0);
}

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
	word = 1;
	sys_mem_wake(&word, 1);
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
	answers = 2;
	sys_mem_wake(&answers, 1);
	CHECK_RESULT(sys_vcpu_wait(vm, 1, VM_TIME_HALTED), 0);
	answers = 3;
	sys_mem_wake(&answers, 1);
	while (word == 1)
		sys_mem_wait(&word, 1);
	for (;;) /* a clone's */
		sys_vcpu_run(vm, 1);
}

static void
wait_for_answer(uint32_t n)
{
	while (answers != n)
		sys_mem_wait(&answers, n - 1);
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

/* A VM whose second vCPU runs. */
static long
start_guest(void)
{
	long id;

	vm = new_guest(code, sizeof code);
	id = thread(0, drive_second, NULL);
	while (word != 1)
		sys_mem_wait(&word, 0);
	return id;
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
	word = 2;
	sys_mem_wake(&word, 1);
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
	word = 1;
	sys_mem_wake(&word, 1);
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
	id = thread(0, drive_and_receive, NULL);
	while (word != 1)
		sys_mem_wait(&word, 0);
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
		__atomic_fetch_add(&counted, RUN[self].stop.why == VM_STOP_DEAD_HALT,
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
	answers = 2;
	sys_mem_wake(&answers, 1);
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
	thread(0, park_and_go, NULL);
	while (word != 1)
		sys_mem_wait(&word, 0);
	sys_env_sleep(20000);
	CHECK_RESULT(sys_vcpu_wait(vm, 0, VM_TIME_HALTED), 0); /* the end of the sleep was a kick */
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	CHECK_RESULT(answers, 1);
	CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
	if (RUN->exit == VM_EXIT_STOP)
		counted++;
	CHECK_RESULT(sys_vcpu_kick(vm, 1), 0);
	while (answers != 2)
		sys_mem_wait(&answers, 1);
	CHECK_RESULT(counted, 1);
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
	long id = thread(1, park, NULL);

	/* On one stack: they all do the same. */
	for (; id > 0; id = sys_thread(park, stack_top(1), NULL)) {
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
	sys_env_exit(7);
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
	thread(0, drive_and_exit, NULL);
	RUN->deadline = UINT64_MAX;
	for (;;)
		sys_vcpu_run(vm, 0);
}

/* Who waits for a thread does not wait for a driver; but then this one is gone, too. */
static void
driver_faults(void)
{
	vm = new_guest(code, sizeof code);
	sys_env_wait(thread(0, drive_and_fault, NULL));
	for (;;)
		sys_env_yield();
}

static void
driver_is_killed(void)
{
	sys_env_kill(start_guest());
}

/* Whoever of a VM's drivers ends, all end, and the VM is gone. */
static void
check_ends(void)
{
	const uint32_t self = sys_env_id();
	struct ipc_msg started;
	uint64_t before;
	long child;

	CHECK_RESULT(run_child(keep_usual_accounts), 0);
	before = pages_available();
	CHECK_RESULT(run_child(owner_ends), 0);
	CHECK_RESULT(run_child(driver_exits), 7);
	CHECK_DIES(driver_faults);
	CHECK_DIES(driver_is_killed);
	child = must_fork();
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
	CHECK_RESULT(run_child(keep_usual_accounts), 0);
	CHECK_RESULT(pages_available(), before);
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
	check_ends();
	vm = new_guest(code, sizeof code);
	CHECK_RESULT(sys_vcpu_get_regs(vm, 0, &regs), 0);
	regs.gpr[REG_RBX] = 0x10;
	CHECK_RESULT(sys_vcpu_set_regs(vm, 0, &regs), 0);
	thread(0, drive_second, NULL);
	while (word != 1)
		sys_mem_wait(&word, 0);
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
