#include "user/usertests/vmtest.h"

/*
 * Processes that share their memory.  On several CPUs one runs while another changes the page
 * tables: whatever a CPU still holds of the old ones shows here.
 */

/* TRIES: with a pause for each, longer than any emulator is short of a CPU. */
enum { PAUSE = 20000 /* microseconds */, TRIES = 1000 };

/* In memory of their own, each in a page. */
static volatile uint64_t *const counter = (uint64_t *)SCRATCH;
static volatile uint64_t *const word = (uint64_t *)(SCRATCH + PAGE_SIZE);
static volatile uint64_t *const status = (uint64_t *)(SCRATCH + 2 * PAGE_SIZE);
static volatile uint64_t *const other = (uint64_t *)(SCRATCH + 3 * PAGE_SIZE);

static long
new_thread(void (*entry)(void *arg), void *arg)
{
	CHECK_RESULT(sys_mem_map((void *)SCRATCH, 3 * PAGE_SIZE), 0);
	return start_thread(0, entry, arg);
}

static void
end_thread(long id)
{
	CHECK_RESULT(sys_env_kill(id), 0);
	CHECK_RESULT(sys_env_wait(id), ENV_WAIT_KILLED);
}

/* Does *p, which others count up, stand still? */
static bool
stands_still(const volatile uint64_t *p)
{
	uint64_t before = *p;

	sys_env_sleep(PAUSE);
	return *p == before;
}

/* Perhaps not at once: whoever counts may have to wait for a CPU, which a busy emulator is short
 * of. */
static bool
changes(const volatile uint64_t *p)
{
	int i = 0;

	while (i < TRIES && stands_still(p))
		i++;
	return i < TRIES;
}

static void
wait_for_change(const volatile uint64_t *p)
{
	(void)changes(p);
}

static void
count(void *arg)
{
	(void)arg;
	for (;;)
		++*counter;
}

/* A fork takes a copy of memory that another thread is writing to. */
void
test_thread_fork(void)
{
	long thread = new_thread(count, NULL);
	long child;

	wait_for_change(counter);
	child = must_fork();
	if (child == 0)
		exit(!stands_still(counter));
	CHECK_RESULT(sys_env_wait(child), 0);
	CHECK(changes(counter));
	end_thread(thread);
}

static void
watch(void *arg)
{
	(void)arg;
	++*counter;
	while (!*word)
		;
	*status = *word;
	sys_env_exit(0);
}

/* What is written to a page that a child shares, and that is therefore another one now, all see. */
void
test_thread_copy(void)
{
	long thread = new_thread(watch, NULL);
	long child;

	wait_for_change(counter);
	child = must_fork();
	if (child == 0) {
		sys_env_sleep(4 * PAUSE);
		exit(*word != 0);
	}
	sys_env_sleep(PAUSE); /* the thread reads the shared page meanwhile */
	*word = 1;
	for (int i = 0; i < TRIES && !*status; i++)
		sys_env_sleep(PAUSE);
	CHECK_RESULT(*status, 1);
	CHECK_RESULT(sys_env_wait(thread), 0);
	CHECK_RESULT(sys_env_wait(child), 0);
}

static bool
has_ended(uint32_t id)
{
	struct env_info info;

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		if (info.id == id)
			return info.status == ENV_ZOMBIE;
	return true;
}

/* Memory that one thread gives away is gone for the other. */
void
test_thread_unmap(void)
{
	long thread = new_thread(watch, NULL);

	wait_for_change(counter);
	CHECK_RESULT(sys_mem_unmap((void *)word, PAGE_SIZE), 0);
	for (int i = 0; i < TRIES && !has_ended(thread); i++)
		sys_env_sleep(PAUSE);
	CHECK(has_ended(thread));
	CHECK_RESULT(sys_env_wait(thread), ENV_WAIT_KILLED);
}

enum { MAPPED = 2 /* *counter, when it may look again */ };

static void
look_twice(void *arg)
{
	(void)arg;
	*counter = 1 + *word;
	do
		sys_env_sleep(4 * PAUSE);
	while (*counter != MAPPED);
	*status = *word;
	sys_env_exit(0);
}

/* A CPU that was idle while another page came finds that, not the one that it knew. */
void
test_thread_sleep(void)
{
	enum { VALUE = 7 };
	long thread = new_thread(look_twice, NULL);

	while (!*counter)
		sys_env_sleep(1);
	sys_env_sleep(PAUSE);
	CHECK_RESULT(sys_mem_unmap((void *)word, PAGE_SIZE), 0);
	/* Another page takes the frame that has become free. */
	CHECK_RESULT(sys_mem_map((void *)other, PAGE_SIZE), 0);
	*other = 1;
	CHECK_RESULT(sys_mem_map((void *)word, PAGE_SIZE), 0);
	*word = VALUE;
	*counter = MAPPED;
	CHECK_RESULT(sys_env_wait(thread), 0);
	CHECK_RESULT(*status, VALUE);
}

/* One that cannot begin, and one without a stack, end alone. */
void
test_thread_bad(void)
{
	void (*const nowhere)(void *) = (void (*)(void *))0x0000900000000000;
	long id = sys_thread(nowhere, NULL, NULL);

	CHECK(id > 0);
	CHECK_RESULT(sys_env_wait(id), ENV_WAIT_KILLED);
	id = sys_thread(count, (void *)KERNBASE, NULL);
	CHECK(id > 0);
	CHECK_RESULT(sys_env_wait(id), ENV_WAIT_KILLED);
}

/* The first page of the process, so that an audit breaks its entry. */
static volatile uint64_t *const lowest = (uint64_t *)PAGE_SIZE;

/* Looks at it with a TLB that knows nothing, again and again. */
static void
look_anew(void *arg)
{
	enum { SIZE = 64 * PAGE_SIZE, WAIT = 20000 /* ticks */ };
	char *fresh = (char *)SCRATCH + 0x100000;

	(void)arg;
	while (!*word) {
		uint64_t begin;

		sys_mem_map(fresh, SIZE);
		sys_mem_unmap(fresh, SIZE); /* so much that all goes */
		for (begin = rdtsc(); rdtsc() - begin < WAIT;)
			;
		*status |= *lowest;
		++*counter;
	}
	sys_env_exit(0);
}

/* While a rule is broken on purpose, no other CPU runs with what is broken. */
void
test_thread_audit(void)
{
	enum { AUDITS = 5 };
	static struct audit_report report;
	long thread;

	CHECK_RESULT(sys_mem_map((void *)lowest, PAGE_SIZE), 0);
	*lowest = 0;
	thread = new_thread(look_anew, NULL);
	wait_for_change(counter);
	for (int i = 0; i < AUDITS; i++) {
		CHECK_RESULT(sys_audit(&report, AUDIT_USER_KERNEL), 0);
		CHECK(report.violations);
		CHECK_RESULT(*status, 0);
	}
	*word = 1;
	CHECK_RESULT(sys_env_wait(thread), 0);
	CHECK_RESULT(*status, 0);
}

/* Forks while the VM of the other thread runs; its child's guest memory must stand still. */
static void
fork_beside(void *arg)
{
	volatile uint16_t *guest_counter = arg;
	uint16_t before;
	long child;

	sys_env_sleep(PAUSE);
	child = must_fork();
	if (child == 0) {
		before = *guest_counter;
		sys_env_sleep(PAUSE);
		exit(*guest_counter != before);
	}
	*status = 1 + sys_env_wait(child);
	sys_env_exit(0);
}

/* Runs a guest that counts in its memory, until the thread beside has a status, which must be 1. */
static void
run_beside(void (*entry)(void *arg))
{
	static const uint8_t code[] = {0xfb, 0xff, 0x06, 0x00, 0x20, 0xeb, 0xfa};
	/* sti; 1: incw 2000h; jmp 1b */
	enum { COUNTER = 0x2000 };
	struct sys_info info;
	uint32_t vm;
	long thread;

	CHECK_RESULT(sys_sys_info(&info), 0);
	vm = new_guest(code, sizeof code);
	thread = new_thread(entry, RAM + COUNTER);
	*word = vm;
	for (int i = 0; i < TRIES && !*status; i++) {
		RUN->deadline = rdtsc() + info.tsc_hz / 20;
		CHECK_RESULT(sys_vcpu_run(vm, 0), 0);
		CHECK_RESULT(RUN->exit, VM_EXIT_EVENT);
	}
	CHECK_RESULT(*status, 1);
	CHECK(*(volatile uint16_t *)(RAM + COUNTER) != 0);
	CHECK_RESULT(sys_env_wait(thread), 0);
}

void
test_vm_fork_running(void)
{
	if (have_vms())
		run_beside(fork_beside);
}

/* Guest memory that comes and goes. */
static void
unmap_beside(void *arg)
{
	enum { ROUNDS = 1000 };
	uint8_t *page = RAM + RAM_SIZE - PAGE_SIZE;
	bool right = true;

	(void)arg;
	sys_env_sleep(PAUSE);
	for (int i = 0; i < ROUNDS; i++)
		right &= sys_mem_unmap(page, PAGE_SIZE) == 0 && sys_mem_map(page, PAGE_SIZE) == 0;
	*status = right ? 1 : 2;
	sys_env_exit(0);
}

/* While the guest takes turns with another VM's. */
void
test_vm_unmap_running(void)
{
	static const uint8_t spin[] = {0xfb, 0xeb, 0xfe}; /* sti; jmp . */
	long rival;

	if (!have_vms())
		return;
	rival = must_fork();
	if (rival == 0) {
		uint32_t vm = new_guest(spin, sizeof spin);

		for (;;)
			sys_vcpu_run(vm, 0);
	}
	run_beside(unmap_beside);
	CHECK_RESULT(sys_env_kill(rival), 0);
	CHECK_RESULT(sys_env_wait(rival), ENV_WAIT_KILLED);
}

/* The times of a VM whose guest runs, perhaps on another CPU, add up at each look. */
static void
look_beside(void *arg)
{
	enum { LOOKS = 100 };
	static struct vm_stats stats;
	bool right = true;

	(void)arg;
	sys_env_sleep(PAUSE);
	for (int i = 0; i < LOOKS; i++) {
		uint64_t sum = 0;

		if (sys_vm_stats((uint32_t)*word, VM_ALL_VCPUS, &stats) < 0)
			right = false;
		for (enum vm_time t = 0; t < VM_TIMES; t++) {
			sum += stats.time[t];
			right &= stats.time[t] <= stats.wall;
		}
		right &= sum == stats.wall;
	}
	*status = right ? 1 : 2;
	sys_env_exit(0);
}

void
test_vm_stats_running(void)
{
	if (have_vms())
		run_beside(look_beside);
}

static void
run_deaf_guest(void *arg)
{
	static const uint8_t code[] = {0xfa, 0xeb, 0xfe}; /* cli; jmp . */
	uint32_t vm = new_guest(code, sizeof code);

	(void)arg;
	*word = 1;
	for (;;)
		sys_vcpu_run(vm, 0);
}

/*
 * Where interrupts do not end guest mode, each recall takes an NMI; the first is not the last.  How
 * long they take tells something where time is instructions: tests/boot/test_smp.py.
 */
void
test_vm_recall_deaf(void)
{
	enum { ROUNDS = 10, FIRST = 2, MICROSECONDS = 1000000 };
	uint64_t best = UINT64_MAX;
	struct sys_info info;
	long thread;

	CHECK_RESULT(sys_sys_info(&info), 0);
	if (!have_vms() || info.cpus == 1)
		return;
	thread = new_thread(run_deaf_guest, NULL);
	while (!*word)
		sys_env_yield();
	sys_env_sleep(PAUSE);
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t from = rdtsc();

		CHECK_RESULT(sys_mem_unmap((void *)counter, PAGE_SIZE), 0);
		if (i >= FIRST && rdtsc() - from < best)
			best = rdtsc() - from;
		CHECK_RESULT(sys_mem_map((void *)counter, PAGE_SIZE), 0);
	}
	end_thread(thread);
	printf("recall: %lu us at best\n", best / (info.tsc_hz / MICROSECONDS));
}
