// SOURCES: kern/deadline.c
#include <stdlib.h>
#include <string.h>

#include "kern/deadline.h"
#include "tests/unit/unit.h"

enum { ROUNDS = 200000 };

static struct env *env; /* an array of ENV_MAX */

static int
setup(void **state)
{
	(void)state;
	env = calloc(ENV_MAX, sizeof(env[0]));
	for (int i = 0; i < ENV_MAX; i++)
		env[i].deadline = UINT64_MAX;
	return 0;
}

/* Empties the heap, which lives in the tested module. */
static int
teardown(void **state)
{
	(void)state;
	for (int i = 0; i < ENV_MAX; i++)
		deadline_set(&env[i], 0, UINT64_MAX);
	assert_null(deadline_first(0));
	free(env);
	return 0;
}

static uint64_t
earliest(void)
{
	uint64_t first = UINT64_MAX;

	for (int i = 0; i < ENV_MAX; i++)
		if (env[i].deadline < first)
			first = env[i].deadline;
	return first;
}

static void
test_order(void **state)
{
	uint64_t seed = 9, last = 0;

	(void)state;
	assert_null(deadline_first(0));
	for (int i = 0; i < ENV_MAX; i++)
		deadline_set(&env[i], 0, random32(&seed) % 500);
	for (int i = 0; i < ENV_MAX; i++) {
		struct env *e = deadline_first(0);

		assert_true(e->deadline >= last);
		last = e->deadline;
		deadline_set(e, 0, UINT64_MAX);
	}
	assert_null(deadline_first(0));
}

static void
test_random(void **state)
{
	uint64_t seed = 10;

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		struct env *e = &env[random32(&seed) % ENV_MAX];

		if (random32(&seed) % 3 == 0)
			e = deadline_first(0) ? deadline_first(0) : e;
		deadline_set(e, 0, random32(&seed) % 3 ? random32(&seed) % 10000 : UINT64_MAX);
		if (round % 64 == 0) {
			e = deadline_first(0);
			assert_int_equal(e ? e->deadline : UINT64_MAX, earliest());
		}
	}
}

/* To remove an Env that is not in the heap, or to add one that is, changes nothing else. */
static void
test_repeated(void **state)
{
	(void)state;
	deadline_set(&env[0], 0, UINT64_MAX);
	assert_null(deadline_first(0));
	deadline_set(&env[0], 0, 5);
	deadline_set(&env[0], 0, 7);
	deadline_set(&env[1], 0, 6);
	assert_ptr_equal(deadline_first(0), &env[1]);
	deadline_set(&env[1], 0, UINT64_MAX);
	deadline_set(&env[1], 0, UINT64_MAX);
	assert_ptr_equal(deadline_first(0), &env[0]);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
UNIT_MAIN(T(test_order), T(test_random), T(test_repeated))
