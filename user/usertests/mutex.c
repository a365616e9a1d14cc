#include "user/usertests/tests.h"

#include "inc/memlayout.h"
#include "inc/x86.h"
#include "lib/user/mutex.h"

/* A lock between threads. */

enum { THREADS = 4, ROUNDS = 2000, ROUNDS_HOGGED = 20 };

static struct mutex mutex;
static volatile uint64_t counted;
/* hog() has the lock for the first time; threads that are done. */
static volatile uint32_t hogging, done;

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
	__atomic_fetch_add(&done, 1, __ATOMIC_RELAXED);
	sys_mem_wake(&done, 1);
	sys_env_exit(0);
}

void
test_mutex(void)
{
	long ids[THREADS];

	CHECK_RESULT(sys_mem_wait(&done, 1), 0);
	CHECK_RESULT(sys_mem_wait((void *)KERNBASE, 0), -E_FAULT);
	CHECK_RESULT(sys_mem_wake(&done, 1), 0);
	for (unsigned int i = 0; i < THREADS; i++)
		ids[i] = start_thread(i, count, NULL);
	await(&done, THREADS);
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
	for (unsigned int i = 0; done == 0 && i < ROUNDS_HOGGED; i++) {
		mutex_lock(&mutex);
		if (awaited && done == 0)
			counted++;
		hogging = 1;
		for (uint64_t until = rdtsc() + info.tsc_hz / 50; rdtsc() < until;)
			awaited = mutex.next != mutex.serving + 1;
		mutex_unlock(&mutex);
	}
	sys_env_exit(0);
}

void
test_mutex_fair(void)
{
	long id = start_thread(0, hog, NULL);

	while (hogging == 0)
		sys_env_yield();
	mutex_lock(&mutex);
	done = 1;
	mutex_unlock(&mutex);
	CHECK_RESULT(sys_env_wait(id), 0);
	CHECK_RESULT(counted, 0);
}
