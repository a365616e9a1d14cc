#ifndef NESTLING_USER_USERTESTS_TESTS_H
#define NESTLING_USER_USERTESTS_TESTS_H

#include "lib/user/user.h"

/*
 * Each test of tests.def runs in a process of its own.  It passes by returning;
 * a CHECK that fails says so and ends that process.
 */

#define TEST(name, text)      void test_##name(void);
#define TEST_LONG(name, text) void test_##name(void);
#include "user/usertests/tests.def"
#undef TEST_LONG
#undef TEST

/* A free part of the address space, for whatever a test maps. */
#define SCRATCH 0x5000000000ull

_Noreturn void check_failed(const char *file, int line, const char *text);
void check_result(const char *file, int line, const char *text, long found, long wanted);

#define CHECK(x)                                              \
	do {                                                  \
		if (!(x))                                     \
			check_failed(__FILE__, __LINE__, #x); \
	} while (0)
/* The call must give exactly this result. */
#define CHECK_RESULT(call, wanted) check_result(__FILE__, __LINE__, #call, (long)(call), (wanted))
/* The child that runs fn must be killed by the kernel. */
#define CHECK_DIES(fn) CHECK_RESULT(run_child(fn), ENV_WAIT_KILLED)

/* Forks; the child runs fn and exits with 0 if it returns.  The child's status. */
long run_child(void (*fn)(void));
/* fork that cannot fail. */
long must_fork(void);
/* A thread that shares the caller's memory and runs fn on the n-th of some stacks; its process id.
 */
long start_thread(unsigned int n, void (*fn)(void *arg), void *arg);
/* Where the n-th stack begins, once a thread has been started on it. */
void *thread_stack(unsigned int n);
/* Between threads: sets *word to n and wakes who waits for that; waits until *word is n or more. */
void tell(volatile uint32_t *word, uint32_t n);
void await(volatile uint32_t *word, uint32_t n);
/* Free 4 KiB pages that nobody was promised. */
uint64_t pages_available(void);
/* The kernel keeps the accounts of the VMs that ended last: lets them be of the usual size. */
void keep_usual_accounts(void);

/* Random numbers that repeat with the seed, which is not 0: any, less than n, true once in n. */
void random_seed(uint64_t seed);
uint64_t random(void);
uint64_t below(uint64_t n);
bool one_in(unsigned int n);

#endif
