// SOURCES: lib/user/readline.c lib/line.c
#include <stdio.h>
#include <string.h>

#include "lib/user/user.h"
#include "tests/unit/unit.h"

/* Lines from the console.  The printed text goes to the test's output, too. */

enum { LINE = 16, CHILD_ENDED = '!' };

static const char *keys;
static unsigned int news_heard;
static char shown[256];

/* After the last key the console is gone. */
long
sys_console_read(void *buf, size_t size, unsigned int how)
{
	assert_int_equal(size, 1);
	if (!*keys)
		return -E_INVAL;
	*(char *)buf = *keys++;
	return how == CONSOLE_WAIT_CHILD && keys[-1] == CHILD_ENDED ? -E_AGAIN : 1;
}

void
put_bytes(const void *buf, size_t size)
{
	strncat(shown, buf, size);
	fwrite(buf, 1, size, stdout);
}

static void
news(void)
{
	news_heard++;
	shown[0] = 0;
}

static void
check(const char *typed, int expected, const char *text)
{
	char line[LINE];

	keys = typed;
	assert_int_equal(readline("", line, sizeof(line)), expected);
	assert_string_equal(line, text);
	assert_int_equal(*keys, 0);
}

static void
test_ends(void **state)
{
	(void)state;
	check("vms\r", 3, "vms");
	check("!\r", 1, "!");
	check("\r", 0, "");
	check("\x04", READLINE_END, "");
	check("vms\x03", READLINE_CANCELLED, "");
	keys = "vms";
	assert_int_equal(readline("", (char[LINE]){0}, LINE), READLINE_END);
}

/* Typing goes on below the announcement. */
static void
test_news(void **state)
{
	char line[LINE];

	(void)state;
	keys = "ab!c!\r";
	assert_int_equal(readline_news("$ ", line, sizeof(line), news), 3);
	assert_string_equal(line, "abc");
	assert_int_equal(news_heard, 2);
	assert_string_equal(shown, "\n");
}

/* lib/user/user.h declares another main than UNIT_MAIN's. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_ends),
	        cmocka_unit_test(test_news),
	};

	(void)argc;
	(void)argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
