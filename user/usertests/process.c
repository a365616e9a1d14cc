#include "user/usertests/tests.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* Processes: their life, their time, their messages. */

static int status_to_give;

static void
give_status(void)
{
	exit(status_to_give);
}

void
test_exit_status(void)
{
	static const int statuses[] = {0, 1, 77, 255};

	for (size_t i = 0; i < ARRAY_SIZE(statuses); i++) {
		status_to_give = statuses[i];
		CHECK_RESULT(run_child(give_status), statuses[i]);
	}
	status_to_give = 256 + 5;
	CHECK_RESULT(run_child(give_status), 5);
}

static _Noreturn void
spin(void)
{
	for (;;)
		pause_cpu();
}

static void
kill_self(void)
{
	sys_env_kill(sys_env_id());
	exit(0);
}

static uint32_t
parent_id(void)
{
	struct env_info info;
	uint32_t self = sys_env_id();

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		if (info.id == self)
			return info.parent;
	return 0;
}

void
test_wait_and_kill(void)
{
	long child = must_fork();

	if (child == 0)
		spin();
	CHECK_RESULT(sys_env_wait(sys_env_id()), -E_BAD_ENV);
	CHECK_RESULT(sys_env_wait(parent_id()), -E_BAD_ENV);
	CHECK_RESULT(sys_env_wait(0), -E_BAD_ENV);
	CHECK_RESULT(sys_env_wait(UINT32_MAX), -E_BAD_ENV);
	CHECK_RESULT(sys_env_kill(parent_id()), -E_BAD_ENV);
	CHECK_RESULT(sys_env_kill(0), -E_BAD_ENV);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
	CHECK_RESULT(sys_env_wait(child), -E_BAD_ENV);
	CHECK_RESULT(sys_env_kill(child), -E_BAD_ENV);
	CHECK_DIES(kill_self);
}

static unsigned int
count_processes(void)
{
	struct env_info info;
	unsigned int n = 0;

	while (sys_env_info(n, &info) == 0)
		n++;
	return n;
}

static void
leave_orphans(void)
{
	for (int i = 0; i < 4; i++) {
		if (must_fork() == 0) {
			sys_env_sleep(10000 * i);
			exit(i);
		}
	}
}

void
test_orphans(void)
{
	enum { TRIES = 50, PAUSE = 80000 }; /* a busy emulator may take its time */
	unsigned int before = count_processes();

	CHECK_RESULT(run_child(leave_orphans), 0);
	for (int i = 0; i < TRIES && count_processes() != before; i++)
		sys_env_sleep(PAUSE);
	CHECK_RESULT(count_processes(), before);
}

void
test_preemption(void)
{
	long child = must_fork();

	if (child == 0)
		spin();
	for (int i = 0; i < 10; i++)
		CHECK_RESULT(sys_env_yield(), 0);
	sys_env_sleep(30000);
	CHECK_RESULT(sys_env_kill(child), 0);
	CHECK_RESULT(sys_env_wait(child), ENV_WAIT_KILLED);
}

/* Times that these processes were given a CPU. */
static uint64_t
sum_of_runs(const long *ids, size_t count)
{
	struct env_info info;
	uint64_t runs = 0;

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		for (size_t n = 0; n < count; n++)
			if (info.id == ids[n])
				runs += info.runs;
	return runs;
}

/* Those that have the CPUs may use up their slices; the others must not come before us. */
void
test_wake(void)
{
	enum { SPINNERS = 4, SLEEPS = 10 }; /* for each CPU */
	long child[SPINNERS * CPUS_MAX];
	unsigned int at_once = 0, spinners;
	struct sys_info info;
	uint64_t before;

	CHECK_RESULT(sys_sys_info(&info), 0);
	spinners = SPINNERS * info.cpus;
	for (unsigned int i = 0; i < spinners; i++)
		if ((child[i] = must_fork()) == 0)
			spin();
	for (int i = 0; i < SLEEPS; i++) {
		before = sum_of_runs(child, spinners);
		CHECK_RESULT(sys_env_sleep(1), 0);
		at_once += sum_of_runs(child, spinners) - before <= info.cpus;
	}
	/* Now and then our own slice ends between the calls. */
	CHECK(at_once > SLEEPS / 2);
	for (unsigned int i = 0; i < spinners; i++) {
		CHECK_RESULT(sys_env_kill(child[i]), 0);
		CHECK_RESULT(sys_env_wait(child[i]), ENV_WAIT_KILLED);
	}
}

/* Fills registers from a seed, spins, and gives a value that is 0 if none has changed. */
#define LOAD(reg, k) "leaq " #k "(%%rax), %%" #reg "\n"
#define DIFF(reg, k) "subq $" #k ", %%" #reg "; subq %%rax, %%" #reg "; orq %%" #reg ", %%rdx\n"
static uint64_t
registers_lost(uint64_t seed, uint64_t rounds)
{
	uint64_t lost;

	__asm__ volatile(
	        LOAD(rbx, 1) LOAD(rsi, 2) LOAD(rdi, 3) LOAD(r8, 4) LOAD(r9, 5) LOAD(r10, 6)
	                LOAD(r11, 7) LOAD(r12, 8) LOAD(r13, 9) LOAD(r14, 10)
	                        LOAD(r15, 11) "1: decq %%rcx\n"
	                                      "jnz 1b\n"
	                                      "xorl %%edx, %%edx\n" DIFF(rbx, 1) DIFF(rsi, 2)
	                                              DIFF(rdi, 3) DIFF(r8, 4) DIFF(r9, 5)
	                                                      DIFF(r10, 6) DIFF(r11, 7) DIFF(r12, 8)
	                                                              DIFF(r13, 9) DIFF(r14, 10)
	                                                                      DIFF(r15, 11)
	        : "=&d"(lost), "+c"(rounds)
	        : "a"(seed)
	        : "rbx", "rsi", "rdi", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15", "cc");
	return lost;
}
#undef LOAD
#undef DIFF

void
test_registers(void)
{
	enum { CHILDREN = 3, ROUNDS = 4000000 };
	long child[CHILDREN];

	for (int i = 0; i < CHILDREN; i++) {
		child[i] = must_fork();
		if (child[i] == 0)
			exit(registers_lost(0x0123456789abcdef * (i + 1), ROUNDS) != 0);
	}
	for (int i = 0; i < CHILDREN; i++)
		CHECK_RESULT(sys_env_wait(child[i]), 0);
}

void
test_sleep(void)
{
	enum { MICROSECONDS = 20000, TRIES = 10 };
	uint64_t start, ticks, wanted, least = UINT64_MAX;
	struct sys_info info;

	sys_sys_info(&info);
	wanted = info.tsc_hz / (1000000 / MICROSECONDS);
	/* Where ticks are real time, an emulator that gets no CPU oversleeps. */
	for (int i = 0; i < TRIES && least >= wanted * 20; i++) {
		start = rdtsc();
		CHECK_RESULT(sys_env_sleep(MICROSECONDS), 0);
		ticks = rdtsc() - start;
		CHECK(ticks >= wanted);
		least = ticks < least ? ticks : least;
	}
	CHECK(least < wanted * 20);
}

void
test_ipc_value(void)
{
	uint32_t self = sys_env_id();
	long child = must_fork();
	struct ipc_msg msg;

	if (child == 0) {
		for (uint64_t i = 0; i < 5; i++)
			CHECK_RESULT(sys_ipc_send(self, ~i, NULL), 0);
		exit(0);
	}
	/* A receiver's bad pointer costs it nothing but the call. */
	CHECK_RESULT(sys_ipc_recv((struct ipc_msg *)KERNBASE, NULL), -E_FAULT);
	for (uint64_t i = 0; i < 5; i++) {
		CHECK_RESULT(sys_ipc_recv(&msg, NULL), 0);
		CHECK(msg.from == child && msg.value == ~i && !msg.has_page);
	}
	CHECK_RESULT(sys_env_wait(child), 0);
	CHECK_RESULT(sys_ipc_send(child, 1, NULL), -E_BAD_ENV);
	CHECK_RESULT(sys_ipc_send(0, 1, NULL), -E_BAD_ENV);
}

void
test_ipc_page(void)
{
	char *page = (char *)SCRATCH;
	uint32_t self = sys_env_id();
	long child = must_fork();
	struct ipc_msg msg;

	if (child == 0) {
		CHECK_RESULT(sys_ipc_send(self, 1, page), -E_FAULT);
		CHECK_RESULT(sys_mem_map(page, PAGE_SIZE), 0);
		strlcpy(page, "from the child", PAGE_SIZE);
		CHECK_RESULT(sys_ipc_send(self, 1, page + 1), -E_INVAL);
		CHECK_RESULT(sys_ipc_send(self, 2, page), 0);
		exit(0);
	}
	CHECK_RESULT(sys_ipc_recv(&msg, page + PAGE_SIZE), 0);
	CHECK(msg.from == child && msg.value == 2 && msg.has_page);
	CHECK(strcmp(page + PAGE_SIZE, "from the child") == 0);
	CHECK_RESULT(sys_env_wait(child), 0);
	page[PAGE_SIZE] = 'F';
	CHECK_RESULT(sys_ipc_recv(&msg, page + 1), -E_INVAL);
}

void
test_fork_bomb(void)
{
	enum { PROCESSES = 2048 };
	static uint32_t children[PROCESSES];
	struct ipc_msg msg;
	size_t n = 0;
	long id;

	while ((id = sys_fork()) > 0) {
		CHECK(n < PROCESSES);
		children[n++] = id;
	}
	if (id == 0) {
		sys_ipc_recv(&msg, NULL);
		exit(0);
	}
	CHECK(id == -E_NO_FREE_ENV || id == -E_NO_MEM);
	CHECK(n > 10);
	for (size_t i = 0; i < n; i++) {
		CHECK_RESULT(sys_env_kill(children[i]), 0);
		CHECK_RESULT(sys_env_wait(children[i]), ENV_WAIT_KILLED);
	}
	status_to_give = 3;
	CHECK_RESULT(run_child(give_status), 3);
}

void
test_spawn_bad(void)
{
	static const struct {
		char *path;
		long result;
	} files[] = {
	        {"t/empty", -E_BAD_ELF}, {"t/nosig", -E_BAD_ELF},  {"t/cutelf", -E_BAD_ELF},
	        {"guest", -E_BAD_ELF},   {"nosuch", -E_NOT_FOUND}, {"t", -E_NOT_FOUND},
	};

	for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
		char *argv[] = {files[i].path};

		CHECK_RESULT(sys_spawn(files[i].path, argv, 1), files[i].result);
	}
}

static bool
has_help(const char *name)
{
	static const char *const programs[] = {
#define PROGRAM(name, args, text) #name,
#include "user/programs.def"
#undef PROGRAM
	};

	for (size_t i = 0; i < ARRAY_SIZE(programs); i++)
		if (!strcmp(programs[i], name))
			return true;
	return false;
}

/* Files that are no programs: the guest's disk, and those in folders. */
void
test_program_list(void)
{
	struct file_info file;
	unsigned int i;

	for (i = 0; sys_file_info(i, &file) == 0; i++)
		if (strcmp(file.name, "guest") && !strchr(file.name, '/') && !has_help(file.name))
			check_failed(file.name, 0, "a row in user/programs.def");
	CHECK(i > 0);
}
