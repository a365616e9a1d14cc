// SOURCES:
#include <stdlib.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Our functions under other names, beside the host's, which tell the right result. */
#define memset  our_memset
#define memcpy  our_memcpy
#define memmove our_memmove
#define memcmp  our_memcmp
#define strlen  our_strlen
#define strnlen our_strnlen
#define strcmp  our_strcmp
#define strncmp our_strncmp
#define strchr  our_strchr
#define strlcpy our_strlcpy
#define strtoul our_strtoul
#include "lib/string.c"
#undef memset
#undef memcpy
#undef memmove
#undef memcmp
#undef strlen
#undef strnlen
#undef strcmp
#undef strncmp
#undef strchr
#undef strlcpy
#undef strtoul

enum { ROUNDS = 20000, BUFFER = 160 };

static int
sign(int n)
{
	return (n > 0) - (n < 0);
}

static void
fill(uint64_t *seed, uint8_t *buf, unsigned int values)
{
	for (int i = 0; i < BUFFER; i++)
		buf[i] = random32(seed) % values;
}

/* Does every operation on a random part of a buffer, and compares the whole buffer. */
static void
test_memory(void **state)
{
	uint64_t seed = 1;
	uint8_t ours[BUFFER], theirs[BUFFER], source[BUFFER];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = random32(&seed) % (BUFFER / 2);
		size_t to = random32(&seed) % (BUFFER / 2), from = random32(&seed) % (BUFFER / 2);
		int c = random32(&seed);

		fill(&seed, ours, 256);
		fill(&seed, source, 256);
		memcpy(theirs, ours, BUFFER);

		assert_ptr_equal(our_memset(ours + to, c, n), ours + to);
		memset(theirs + to, c, n);
		assert_memory_equal(ours, theirs, BUFFER);

		assert_ptr_equal(our_memcpy(ours + to, source + from, n), ours + to);
		memcpy(theirs + to, source + from, n);
		assert_memory_equal(ours, theirs, BUFFER);

		assert_ptr_equal(our_memmove(ours + to, ours + from, n), ours + to);
		memmove(theirs + to, theirs + from, n);
		assert_memory_equal(ours, theirs, BUFFER);
	}
}

static void
test_compare(void **state)
{
	uint64_t seed = 2;
	uint8_t a[BUFFER], b[BUFFER];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = random32(&seed) % BUFFER;

		fill(&seed, a, 256);
		memcpy(b, a, BUFFER);
		assert_int_equal(our_memcmp(a, b, n), 0);
		b[random32(&seed) % BUFFER] = random32(&seed);
		b[random32(&seed) % BUFFER] = random32(&seed);
		assert_int_equal(sign(our_memcmp(a, b, n)), sign(memcmp(a, b, n)));
	}
}

/* Makes strings of few different bytes, some above 127, so that two are often equal for long. */
static void
random_string(uint64_t *seed, char *s, size_t max)
{
	static const char letters[] = {'a', 'b', (char)0xe4};
	size_t len = random32(seed) % max;

	for (size_t i = 0; i < len; i++)
		s[i] = letters[random32(seed) % 3];
	s[len] = 0;
}

static void
test_strings(void **state)
{
	uint64_t seed = 3;
	char a[8], b[8];

	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		size_t n = random32(&seed) % 10;
		int c = "ab\xe4\0"[random32(&seed) % 4];

		random_string(&seed, a, sizeof(a));
		random_string(&seed, b, sizeof(b));
		assert_int_equal(our_strlen(a), strlen(a));
		assert_int_equal(our_strnlen(a, n), strnlen(a, n));
		assert_int_equal(sign(our_strcmp(a, b)), sign(strcmp(a, b)));
		assert_int_equal(sign(our_strncmp(a, b, n)), sign(strncmp(a, b, n)));
		assert_ptr_equal(our_strchr(a, c), strchr(a, c));
	}
}

static void
test_strlcpy(void **state)
{
	char buf[8];

	(void)state;
	memset(buf, 'x', sizeof(buf));
	assert_int_equal(our_strlcpy(buf, "abc", sizeof(buf)), 3);
	assert_string_equal(buf, "abc");
	assert_int_equal(buf[4], 'x');
	assert_int_equal(our_strlcpy(buf, "abcdefghij", 4), 10);
	assert_string_equal(buf, "abc");
	assert_int_equal(our_strlcpy(buf, "abcdefghij", sizeof(buf)), 10);
	assert_string_equal(buf, "abcdefg");
	assert_int_equal(our_strlcpy(buf, "zz", 1), 2);
	assert_string_equal(buf, "");
	buf[0] = 'k';
	assert_int_equal(our_strlcpy(buf, "zz", 0), 2);
	assert_int_equal(buf[0], 'k');
}

static void
check_number(const char *s, int base)
{
	char *our_end, *their_end;
	unsigned long ours = our_strtoul(s, &our_end, base);
	unsigned long theirs = strtoul(s, &their_end, base);

	assert_int_equal(ours, theirs);
	assert_ptr_equal(our_end, their_end);
}

static void
test_numbers(void **state)
{
	static const char *const numbers[] = {
	        "0",    "1",   "42",   "12x",        "x",      "",       "0x",
	        "0xg",  "0x0", "0xfF", "0XabCDef12", "100000", "0x1G",   "18446744073709551615",
	        "9a",   "fe",  "FE!",  "1 2",        "0x-1",   "0x0x12", "18446744073709551616",
	        "00012"};

	(void)state;
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		check_number(numbers[i], 10);
		check_number(numbers[i], 16);
		if (strcmp(numbers[i], "00012") != 0) /* octal in C, decimal here */
			check_number(numbers[i], 0);
	}
	assert_int_equal(our_strtoul("0012", NULL, 0), 12);
	/* A number that is too large saturates, and all of its digits are consumed. */
	check_number("99999999999999999999999999999", 10);
	check_number("0xfffffffffffffffff", 16);
}

UNIT_MAIN(cmocka_unit_test(test_memory), cmocka_unit_test(test_compare),
          cmocka_unit_test(test_strings), cmocka_unit_test(test_strlcpy),
          cmocka_unit_test(test_numbers))
