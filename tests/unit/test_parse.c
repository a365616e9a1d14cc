// SOURCES: lib/user/parse.c
#include <string.h>

#include "lib/user/parse.h"
#include "tests/unit/unit.h"

/* The shell's words and the programs' numbers. */

enum { WORDS = 4 };

/* Parses a line.  Returns the words of its commands, with | behind each word and ; or & behind each
 * command. */
static enum parse_result
parse_line(const char *text, char *out)
{
	char buf[128], *line = buf;

	strcpy(buf, text);
	*out = 0;
	while (line) {
		char *words[WORDS];
		size_t count;
		enum parse_result result = parse_command(&line, words, WORDS, &count);

		if (result != PARSE_OK && result != PARSE_BACKGROUND)
			return result;
		for (size_t i = 0; i < count; i++) {
			strcat(out, words[i]);
			strcat(out, "|");
		}
		strcat(out, result == PARSE_BACKGROUND ? "&" : ";");
	}
	return PARSE_OK;
}

static void
commands_are_split(void **state)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
	        {"", ";"},
	        {"  \t ", ";"},
	        {"a", "a|;"},
	        {" a  b\tc ", "a|b|c|;"},
	        {"a;b", "a|;b|;"},
	        {"a ; b c;", "a|;b|c|;;"},
	        {";;a", ";;a|;"},
	        {"vm guest -c \"cpuid; leaves\"", "vm|guest|-c|cpuid; leaves|;"},
	        {"'a b' \"c d\"", "a b|c d|;"},
	        {"a'b c'd\"e\"", "ab cde|;"},
	        {"'' \"\"", "||;"},
	        {"\"it's\" 'say \"x\"'", "it's|say \"x\"|;"},
	        {"a';'b;c", "a;b|;c|;"},
	        {"a&", "a|&;"},
	        {"a b & c&d", "a|b|&c|&d|;"},
	        {"& a '&' \"b&c\" &", "&a|&|b&c|&;"},
	        {"1 2 3 4", "1|2|3|4|;"},
	};
	char out[256];

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(parse_line(cases[i].line, out), PARSE_OK);
		assert_string_equal(out, cases[i].words);
	}
}

static void
bad_lines_are_refused(void **state)
{
	char out[256];

	(void)state;
	assert_int_equal(parse_line("a 'b", out), PARSE_OPEN_QUOTE);
	assert_int_equal(parse_line("a \"b'", out), PARSE_OPEN_QUOTE);
	assert_int_equal(parse_line("a;b c\"", out), PARSE_OPEN_QUOTE);
	assert_int_equal(parse_line("1 2 3 4 5", out), PARSE_TOO_MANY);
}

static void
sizes(void **state)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t bytes;
	} cases[] = {
	        {"0", true, 0},
	        {"1", true, 1},
	        {"4096", true, 4096},
	        {"1K", true, 1 << 10},
	        {"64M", true, 64 << 20},
	        {"64m", true, 64 << 20},
	        {"3G", true, 3ull << 30},
	        {"16777216G", true, 1ull << 54},
	        {"", false, 0},
	        {"M", false, 0},
	        {"-1", false, 0},
	        {" 1", false, 0},
	        {"1 ", false, 0},
	        {"1Q", false, 0},
	        {"1MM", false, 0},
	        {"0x10", false, 0},
	        {"99999999999G", false, 0},
	        {"18446744073709551615K", false, 0},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		uint64_t bytes = 0;

		assert_int_equal(parse_size(cases[i].text, &bytes), cases[i].ok);
		if (cases[i].ok)
			assert_int_equal(bytes, cases[i].bytes);
	}
}

static void
numbers(void **state)
{
	uint64_t n;

	(void)state;
	assert_true(parse_number("0", 255, &n) && n == 0);
	assert_true(parse_number("255", 255, &n) && n == 255);
	assert_true(parse_number("0x1f", 255, &n) && n == 31);
	assert_false(parse_number("256", 255, &n));
	assert_false(parse_number("", 255, &n));
	assert_false(parse_number("1x", 255, &n));
	assert_false(parse_number("-1", 255, &n));
}

static void
rest_of_the_command_line(void **state)
{
	(void)state;
	assert_string_equal(parse_option_rest("nestling run=vm guest; ps", "run"), "vm guest; ps");
	assert_string_equal(parse_option_rest("run=", "run"), "");
	assert_string_equal(parse_option_rest("a=1 run=x run=y", "run"), "x run=y");
	assert_null(parse_option_rest("", "run"));
	assert_null(parse_option_rest("norun=1 runs=2 run", "run"));
}

UNIT_MAIN(cmocka_unit_test(commands_are_split), cmocka_unit_test(bad_lines_are_refused),
          cmocka_unit_test(sizes), cmocka_unit_test(numbers),
          cmocka_unit_test(rest_of_the_command_line))
