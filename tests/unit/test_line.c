// SOURCES: lib/line.c
#include "lib/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* The line editor: from keys it makes a line, and the text for a terminal. */

enum { LINE = 16, SCREEN = 1024 };

static char screen[SCREEN];
static size_t shown, bells;

/* A terminal of one line; text for further lines is appended. */
static void
show(const char *s, size_t n)
{
	for (; n; n--, s++) {
		if (*s == '\a') {
			bells++;
		} else if (*s == '\b') {
			assert_true(shown > 0);
			shown--;
		} else {
			assert_true(shown < SCREEN - 1);
			screen[shown++] = *s;
		}
	}
}

static struct line line;
static char text[LINE + 1];

static int
setup(void **state)
{
	(void)state;
	line = (struct line){0};
	return 0;
}

/* Types into a new line.  Only the last key may end the line; the memory behind it is not touched.
 */
static enum line_state
type(const char *keys)
{
	enum line_state s = LINE_OPEN;

	memset(text, '#', sizeof(text));
	memset(screen, 0, sizeof(screen));
	shown = bells = 0;
	line_begin(&line, show, text, LINE);
	while (*keys) {
		assert_int_equal(s, LINE_OPEN);
		s = line_key(&line, *keys++);
	}
	screen[shown] = 0;
	assert_int_equal(text[LINE], '#');
	return s;
}

static void
check(const char *keys, const char *expected)
{
	size_t length = strlen(expected);

	assert_int_equal(type(keys), LINE_DONE);
	assert_string_equal(text, expected);
	assert_int_equal(line.len, length);
	assert_memory_equal(screen, expected, length);
	assert_int_equal(screen[length], '\n');
}

static void
test_editing(void **state)
{
	(void)state;
	check("vms\r", "vms");
	check("\b\x7f"
	      "vmx\bs\r",
	      "vms");
	check("never\x15vms\r", "vms");
	check("vm stop  \x17"
	      "log\r",
	      "vm log");
	check("\x17\r", "");
	check("a\x04\r", "a");
}

static void
test_ends(void **state)
{
	(void)state;
	assert_int_equal(type("vms\x03"), LINE_CANCELLED);
	assert_string_equal(text, "");
	assert_string_equal(screen, "vms^C\n");
	assert_int_equal(type("\x04"), LINE_END);
	assert_string_equal(screen, "");
	assert_int_equal(type("vms"), LINE_OPEN);
	check("a\n", "a");
	check("b\r", "b");
	check("\nc\r", "c"); /* a CR LF that comes in two parts */
}

/* A key that does not fit rings the bell; a key that stands for no text does nothing. */
static void
test_limits(void **state)
{
	(void)state;
	check("0123456789abcde\r", "0123456789abcde");
	assert_int_equal(bells, 0);
	check("0123456789abcdefghi\r", "0123456789abcde");
	assert_int_equal(bells, 4);
	check("0123456789abcdefghi\b\bX\r", "0123456789abcX");
	check("a\x01\x1f\x80\xff\xc3\xa4"
	      "b\r",
	      "ab");
}

static void
test_escape_sequences(void **state)
{
	(void)state;
	check("\x1b[A\x1b[3~\x1bOP\x1b[1;5Cvms\r", "vms");
	check("a\x1bzb\r", "ab");
	check("a\x1b[B\x1b[Cb\r", "ab");
}

/* A control character is no part of an escape sequence: it ends one, and has its own effect. */
static void
test_control_in_escape_sequence(void **state)
{
	(void)state;
	check("vms\x1b\r", "vms");
	check("vms\x1b[\r", "vms");
	check("vms\x1b[12;\r", "vms");
	assert_int_equal(type("vms\x1b\x03"), LINE_CANCELLED);
	assert_int_equal(type("vms\x1b[1\x03"), LINE_CANCELLED);
}

static void
test_a_sequence_does_not_outlive_its_line(void **state)
{
	(void)state;
	assert_int_equal(type("a\x1b["), LINE_OPEN);
	check("A\r", "A");
}

static void
test_history(void **state)
{
	(void)state;
	check("one\r", "one");
	check("two\r", "two");
	check("\r", "");
	assert_int_equal(type("never\x03"), LINE_CANCELLED);
	check("\x1b[A\r", "two");
	check("\x1b[A\x1bOA!\r", "one!");
	check("\x1b[A\x1b[A\x1b[A\x1b[B\x1b[B\r", "one!");
	check("typed\x1b[A\x1b[Bnew\r", "new");
	check("\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\x1b[A\r", "one");
}

static void
test_history_is_bounded(void **state)
{
	char keys[] = "line ?\r", expected[] = "line ?", up[3 * LINE_HISTORY + 2] = "";

	(void)state;
	for (unsigned int i = 0; i < LINE_HISTORY; i++) {
		memcpy(up + 3 * i, "\x1b[A", 3);
		keys[5] = 'a' + i;
		assert_int_equal(type(keys), LINE_DONE);
	}
	up[3 * LINE_HISTORY] = '\r';
	check(up, "line a");
	/* The oldest line was entered again, so the second is now the oldest. */
	check(up, "line b");
	expected[5] = 'c';
	check(up, expected);
}

/* A line too long for the history is not kept.  A line brought back is cut to the room it gets. */
static void
test_history_of_long_lines(void **state)
{
	char big[LINE_KEPT + 1], keys[LINE_KEPT + 2];

	(void)state;
	for (unsigned int length = LINE_KEPT - 1; length <= LINE_KEPT; length++) {
		memset(keys, 'a' + length - LINE_KEPT + 1, length);
		strcpy(keys + length, "\r");
		line_begin(&line, show, big, sizeof(big));
		for (const char *k = keys; *k; k++)
			line_key(&line, *k);
		assert_int_equal(line.len, length);
		shown = 0;
	}
	check("\x1b[A\r", "aaaaaaaaaaaaaaa");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
	        cmocka_unit_test_setup(test_editing, setup),
	        cmocka_unit_test_setup(test_ends, setup),
	        cmocka_unit_test_setup(test_limits, setup),
	        cmocka_unit_test_setup(test_escape_sequences, setup),
	        cmocka_unit_test_setup(test_control_in_escape_sequence, setup),
	        cmocka_unit_test_setup(test_a_sequence_does_not_outlive_its_line, setup),
	        cmocka_unit_test_setup(test_history, setup),
	        cmocka_unit_test_setup(test_history_is_bounded, setup),
	        cmocka_unit_test_setup(test_history_of_long_lines, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
