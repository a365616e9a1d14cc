// SOURCES: lib/user/log.c
#include <stdlib.h>
#include <string.h>

#include "lib/user/log.h"
#include "tests/unit/unit.h"

/* The ring buffer that keeps the last output of a VM in the background. */

static int
setup(void **state)
{
	*state = calloc(1, sizeof(struct log));
	return 0;
}

static int
teardown(void **state)
{
	free(*state);
	return 0;
}

static void
what_is_written_is_read(void **state)
{
	struct log *log = *state;
	char buf[16];
	uint64_t lost;

	assert_int_equal(log_waiting(log, &lost), 0);
	assert_int_equal(log_read(log, buf, sizeof buf), 0);
	log_write(log, "hello, world", 12);
	assert_int_equal(log_waiting(log, &lost), 12);
	assert_int_equal(lost, 0);
	assert_int_equal(log_read(log, buf, 5), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(log_read(log, buf, sizeof buf), 7);
	assert_memory_equal(buf, ", world", 7);
	assert_int_equal(log_waiting(log, &lost), 0);
}

/* Returns byte number n of all output. */
static char
byte_at(uint64_t n)
{
	return (char)(n * 7 + n / 251);
}

static void
write_bytes(struct log *log, size_t size)
{
	char *buf = malloc(size);

	for (size_t i = 0; i < size; i++)
		buf[i] = byte_at(log->written + i);
	log_write(log, buf, size);
	free(buf);
}

/* Reads all output that waits; checks that it begins with byte number `from`. */
static void
read_bytes(struct log *log, uint64_t from)
{
	char buf[1000];
	size_t n;

	while ((n = log_read(log, buf, sizeof buf)) > 0)
		for (size_t i = 0; i < n; i++)
			assert_int_equal(buf[i], byte_at(from++));
	assert_int_equal(from, log->written);
}

static void
what_is_lost_is_counted(void **state)
{
	static const size_t sizes[] = {1, LOG_BYTES, LOG_BYTES + 1, 3 * LOG_BYTES + 5, 100, 0};
	struct log *log = *state;
	uint64_t lost;

	for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		uint64_t before = log->written;
		uint64_t kept = sizes[i] < LOG_BYTES ? sizes[i] : LOG_BYTES;

		write_bytes(log, sizes[i]);
		assert_int_equal(log_waiting(log, &lost), kept);
		assert_int_equal(lost, sizes[i] - kept);
		read_bytes(log, before + lost);
	}
}

/* The other process may write anything there at any time. */
static void
nonsense_is_harmless(void **state)
{
	static const uint64_t values[] = {0, 1, LOG_BYTES, UINT64_MAX, UINT64_MAX - 5, 1ull << 63};
	struct log *log = *state;
	char buf[64];
	uint64_t lost;

	for (size_t w = 0; w < sizeof values / sizeof *values; w++)
		for (size_t s = 0; s < sizeof values / sizeof *values; s++) {
			log->written = values[w];
			log->shown = values[s];
			assert_true(log_waiting(log, &lost) <= LOG_BYTES);
			assert_true(log_read(log, buf, sizeof buf) <= sizeof buf);
			log_write(log, buf, sizeof buf);
		}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup_teardown(what_is_written_is_read, setup, teardown),
	        cmocka_unit_test_setup_teardown(what_is_lost_is_counted, setup, teardown),
	        cmocka_unit_test_setup_teardown(nonsense_is_harmless, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
