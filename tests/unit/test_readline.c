// SOURCES: lib/readline.c
#include "lib/user.h"
#include "tests/unit/unit.h"

/* The line editor: keys go in, a line comes out.  What it prints goes to the test's output. */

enum { LINE = 16 };

static const char *keys;

/* Behind the last key the console is gone. */
long
sys_console_read(void *buf, size_t size, unsigned int how)
{
	(void)how;
	assert_int_equal(size, 1);
	if (!*keys)
		return -E_INVAL;
	*(char *)buf = *keys++;
	return 1;
}

static void
check_line(const char *typed, const char *expected)
{
	char line[LINE];

	keys = typed;
	assert_int_equal(readline("", line, sizeof line), strlen(expected));
	assert_string_equal(line, expected);
	assert_int_equal(*keys, 0);
}

static void
check_end(const char *typed, int expected)
{
	char line[LINE];

	keys = typed;
	assert_int_equal(readline("", line, sizeof line), expected);
	assert_int_equal(*keys, 0);
}

static void
test_editing(void **state)
{
	(void)state;
	check_line("vms\r", "vms");
	check_line("\b\x7f"
	           "vmx\bs\n",
	           "vms");
	check_line("never\x15vms\r", "vms");
	check_line("vm stop  \x17"
	           "log\r",
	           "vm log");
	check_line("\x17\r", "");
	check_end("vms\x03", READLINE_CANCELLED);
	check_end("\x04", READLINE_END);
	check_line("a\x04\r", "a");
	check_end("vms", READLINE_END);
}

/* What does not fit is not taken, nor is what no line holds. */
static void
test_limits(void **state)
{
	(void)state;
	check_line("0123456789abcdefghi\r", "0123456789abcde");
	check_line("0123456789abcdefghi\b\bX\r", "0123456789abcX");
	check_line("a\x01\x1f\x80\xff\xc3\xa4"
	           "b\r",
	           "ab");
}

static void
test_escape_sequences(void **state)
{
	(void)state;
	check_line("\x1b[A\x1b[3~\x1bOP\x1b[1;5Cvms\r", "vms");
	check_line("a\x1bzb\r", "ab");
	check_end("\x1b[1", READLINE_END);
}

/* A control character is never part of a sequence: it ends one, and does what it does. */
static void
test_control_in_escape_sequence(void **state)
{
	(void)state;
	check_line("vms\x1b\r", "vms");
	check_line("vms\x1b[\r", "vms");
	check_line("vms\x1b[12;\r", "vms");
	check_end("vms\x1b\x03", READLINE_CANCELLED);
	check_line("vms\x1b\x1b[A\x1b[1\x1b[B\r", "vms");
}

/* UNIT_MAIN's main is not the one that lib/user.h declares. */
int
main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test(test_editing),
	        cmocka_unit_test(test_limits),
	        cmocka_unit_test(test_escape_sequences),
	        cmocka_unit_test(test_control_in_escape_sequence),
	};

	(void)argc;
	(void)argv;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
