#include "lib/user/user.h"

#include "lib/user/parse.h"

enum { STATUS_USAGE = 2, SECONDS_MAX = 24 * 3600, MICROSECONDS = 1000000 };

/* Up to six digits behind the point, in millionths; false for anything else. */
static bool
parse_fraction(const char *text, uint64_t *microseconds)
{
	uint64_t unit = MICROSECONDS;

	*microseconds = 0;
	for (; *text; text++) {
		unit /= 10;
		if (*text < '0' || *text > '9' || !unit)
			return false;
		*microseconds += (*text - '0') * unit;
	}
	return true;
}

int
main(int argc, char **argv)
{
	char *point = argc == 2 ? strchr(argv[1], '.') : NULL;
	uint64_t seconds = 0, microseconds = 0;

	if (point)
		*point++ = '\0';
	if (argc != 2 || !parse_number(argv[1], SECONDS_MAX, &seconds) ||
	    (point && !parse_fraction(point, &microseconds))) {
		printf("usage: sleep SECONDS, such as 2 or 0.25, at most %d\n", SECONDS_MAX);
		return STATUS_USAGE;
	}
	sys_env_sleep(seconds * MICROSECONDS + microseconds);
	return 0;
}
