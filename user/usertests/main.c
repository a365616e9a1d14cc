#include "user/usertests/tests.h"

#include "inc/x86.h"

/* A free part of the address space behind SCRATCH, for the stacks of threads. */
#define THREAD_STACKS (SCRATCH + 0x10000000)
enum { STACK_SIZE = 0x4000, STACK_DISTANCE = 0x100000 };

static const struct test {
	const char *name, *text;
	void (*run)(void);
	bool by_name; /* only */
} tests[] = {
#define TEST(name, text)      {#name, text, test_##name, false},
#define TEST_LONG(name, text) {#name, text, test_##name, true},
#include "user/usertests/tests.def"
#undef TEST_LONG
#undef TEST
};

void
check_failed(const char *file, int line, const char *text)
{
	printf("%s:%d: expected %s\n", file, line, text);
	exit(1);
}

void
check_result(const char *file, int line, const char *text, long found, long wanted)
{
	if (found == wanted)
		return;
	printf("%s:%d: %s: expected %ld, found %ld%s%s\n", file, line, text, wanted, found,
	       found < 0 ? ", " : "", found < 0 ? error_text(found) : "");
	exit(1);
}

long
must_fork(void)
{
	long id = sys_fork();

	if (id < 0)
		panic("fork: %s", error_text(id));
	return id;
}

long
run_child(void (*fn)(void))
{
	long id = must_fork();

	if (id == 0) {
		fn();
		exit(0);
	}
	return sys_env_wait(id);
}

static char *
stack_of(unsigned int n)
{
	return (char *)THREAD_STACKS + n * STACK_DISTANCE;
}

/* As if called: the return address is missing, and not needed. */
void *
thread_stack(unsigned int n)
{
	return stack_of(n) + STACK_SIZE - sizeof(uint64_t);
}

long
start_thread(unsigned int n, void (*fn)(void *arg), void *arg)
{
	long id;

	CHECK_RESULT(sys_mem_map(stack_of(n), STACK_SIZE), 0);
	id = sys_thread(fn, thread_stack(n), arg);
	CHECK(id > 0);
	return id;
}

void
tell(volatile uint32_t *word, uint32_t n)
{
	*word = n;
	sys_mem_wake(word, UINT32_MAX);
}

void
await(volatile uint32_t *word, uint32_t n)
{
	for (uint32_t now; (now = *word) < n;)
		sys_mem_wait(word, now);
}

uint64_t
pages_available(void)
{
	struct sys_info info;

	sys_sys_info(&info);
	return info.pages_free - info.pages_reserved;
}

/* A test also fails when memory is missing afterwards. */
static bool
run_test(const struct test *t)
{
	uint64_t before = pages_available(), after;
	long status, id = must_fork();
	struct ipc_msg go;

	if (id == 0) {
		CHECK_RESULT(sys_ipc_recv(&go, NULL), 0);
		t->run();
		exit(0);
	}
	/* It kicks whoever gets it out of a guest, so it comes before there can be one. */
	sys_console_give(id);
	CHECK_RESULT(sys_ipc_send(id, 0, NULL), 0);
	status = sys_env_wait(id);
	after = pages_available();

	if (status == 0 && before == after) {
		printf("ok    %-18s %s\n", t->name, t->text);
		return true;
	}
	printf("FAIL  %-18s %s: ", t->name, t->text);
	if (status == 0)
		printf("%ld pages are missing afterwards\n", (long)(before - after));
	else
		printf(status == ENV_WAIT_KILLED ? "was killed\n" : "status %ld\n", status);
	return false;
}

/* Arguments are names of tests to run, or to leave out if they begin with `-'. */
static bool
chosen(const struct test *t, int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		bool out = argv[i][0] == '-';

		if (!strcmp(t->name, argv[i] + out))
			return !out;
	}
	return !t->by_name && (argc == 1 || argv[1][0] == '-');
}

int
main(int argc, char **argv)
{
	unsigned int passed = 0, failed = 0;

	/* A test shall not seem to give back what was taken before it.  The first fork makes our
	 * pages copy-on-write; later ones then change nothing. */
	run_child(keep_usual_accounts);
	for (size_t i = 0; i < ARRAY_SIZE(tests); i++) {
		if (!chosen(&tests[i], argc, argv))
			continue;
		if (run_test(&tests[i]))
			passed++;
		else
			failed++;
	}
	printf("usertests: %u passed, %u failed\n", passed, failed);
	return failed || !passed;
}
