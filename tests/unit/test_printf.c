// SOURCES:
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "tests/unit/unit.h"

/* Our functions under other names, beside the host's, which tell the right result. */
#define vsnprintf our_vsnprintf
#define snprintf  our_snprintf
#define write     our_write
#include "lib/printf.c"
#undef vsnprintf
#undef snprintf
#undef write

/* The same call of both gives the same text and result, cut alike for every size of the buffer. */
#define SAME(...)                                                                         \
	do {                                                                              \
		char ours[256], theirs[256];                                              \
		int n = snprintf(theirs, sizeof(theirs), __VA_ARGS__);                    \
		assert_int_equal(our_snprintf(ours, sizeof(ours), __VA_ARGS__), n);       \
		assert_string_equal(ours, theirs);                                        \
		for (int size = 1; size < n + 2; size++) {                                \
			memset(ours, 'x', sizeof(ours));                                  \
			assert_int_equal(our_snprintf(ours, size, __VA_ARGS__), n);       \
			assert_memory_equal(ours, theirs, size - 1);                      \
			assert_int_equal(ours[size - 1], size <= n ? 0 : ours[size - 1]); \
			assert_int_equal(ours[size], 'x');                                \
		}                                                                         \
	} while (0)

static void
test_basics(void **state)
{
	(void)state;
	SAME("plain");
	SAME("%%");
	SAME("%d %i %u", -1, INT_MIN, UINT_MAX);
	SAME("%x %X %#x %#X %o %#o", 0xbeef, 0xbeef, 0xbeef, 0xbeef, 8, 8);
	SAME("%#x|%#o|%.0d|%.0x|%#.0o|%5.0u", 0, 0, 0, 0, 0, 0);
	SAME("%c%c", 'a', 'b');
	SAME("[%5c] [%-5c]", 'a', 'b');
	SAME("[%s] [%10s] [%-10s] [%.2s] [%10.2s] [%.0s]", "abc", "abc", "abc", "abc", "abc",
	     "abc");
	SAME("%p", (void *)0x1234abcd);
	SAME("[%20p] [%-20p]", (void *)0x1234, (void *)0x1234);
	SAME("%ld %lu %lld %llu", LONG_MIN, ULONG_MAX, LLONG_MIN, ULLONG_MAX);
	SAME("%zu %zx %jd %ju", SIZE_MAX, (size_t)77, INTMAX_MIN, UINTMAX_MAX);
	SAME("[%*d] [%-*d] [%*d] [%.*d]", 6, 42, 6, 42, -6, 42, 4, 42);
	SAME("[%.*d] [%.*s]", -1, 42, -1, "abc");
	SAME("Exit %2u: count %10llu cycles %-12llu|", 10u, 2222594ull, 200592032ull);
}

/* Takes formats that are wrong on purpose, which the compiler does not check here. */
static int (*const volatile unchecked)(char *, size_t, const char *, ...) = our_snprintf;

/* Cases that C leaves open, and that have one result here. */
static void
test_own_choices(void **state)
{
	char buf[64];

	(void)state;
	unchecked(buf, sizeof(buf), "%s", NULL);
	assert_string_equal(buf, "(null)");
	unchecked(buf, sizeof(buf), "%p", NULL);
	assert_string_equal(buf, "0x0");
	unchecked(buf, sizeof(buf), "%hhd %hhu %hd %hu", 300, 300, 70000, 70000);
	assert_string_equal(buf, "44 44 4464 4464");
	/* An unknown conversion is printed as it is; a % at the end ends the text. */
	unchecked(buf, sizeof(buf), "%y|%", 1);
	assert_string_equal(buf, "%y|");
	/* No field is wider than FIELD_MAX. */
	assert_int_equal(unchecked(buf, sizeof(buf), "%99999999999999999999d", 1), FIELD_MAX);
	assert_int_equal(unchecked(buf, sizeof(buf), "%.*x", INT_MAX, 1), FIELD_MAX);
	assert_int_equal(unchecked(buf, sizeof(buf), "%*d", INT_MIN, 1), FIELD_MAX);
	assert_int_equal(unchecked(NULL, 0, "%d", 12345), 5);
}

struct random_spec {
	char format[48];
	char conv;
	int length; /* index into lengths */
};

static const char *const lengths[] = {"hh", "h", "", "l", "ll", "z", "j"};

static void
append(struct random_spec *r, const char *s)
{
	strncat(r->format, s, sizeof(r->format) - strlen(r->format) - 1);
}

static bool
chance(uint64_t *seed)
{
	return random32(seed) & 1;
}

/* Only combinations that C defines. */
static void
random_integer_spec(uint64_t *seed, struct random_spec *r)
{
	char number[16];

	*r = (struct random_spec){.conv = "diuxXo"[random32(seed) % 6]};
	bool is_signed = r->conv == 'd' || r->conv == 'i';
	append(r, "[%");
	if (is_signed && chance(seed))
		append(r, chance(seed) ? "+" : " ");
	if (!is_signed && r->conv != 'u' && chance(seed))
		append(r, "#");
	if (chance(seed))
		append(r, "-");
	if (chance(seed))
		append(r, "0");
	if (chance(seed)) {
		snprintf(number, sizeof(number), "%u", random32(seed) % 40 + 1);
		append(r, number);
	}
	if (chance(seed)) {
		snprintf(number, sizeof(number), ".%u", random32(seed) % 30);
		append(r, number);
	}
	r->length = random32(seed) % 7;
	append(r, lengths[r->length]);
	append(r, (char[]){r->conv, ']', 0});
}

static void
test_random_integers(void **state)
{
	uint64_t seed = 4;
	struct random_spec r;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		uint64_t v = (uint64_t)random32(&seed) << 32 | random32(&seed);

		/* Returns a random number, often a small one, zero, or one at the edge of a type.
		 */
		v >>= random32(&seed) % 64;
		if (random32(&seed) % 8 == 0)
			v = chance(&seed) ? 0 : INT64_MIN;
		if (chance(&seed))
			v = -v;
		random_integer_spec(&seed, &r);
		if (r.length <= 2)
			SAME(r.format, (int)v);
		else
			SAME(r.format, v);
	}
}

UNIT_MAIN(cmocka_unit_test(test_basics), cmocka_unit_test(test_own_choices),
          cmocka_unit_test(test_random_integers))
