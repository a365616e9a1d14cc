#include "lib/user/user.h"

#include "lib/user/parse.h"

int
main(int argc, char **argv)
{
	uint64_t status = 0;
	long err;

	if (argc > 2 || (argc == 2 && !parse_number(argv[1], 255, &status))) {
		printf("usage: poweroff [STATUS], STATUS from 0 to 255\n");
		return 2;
	}
	err = sys_poweroff(status);
	printf("poweroff: %s\n", error_text(err));
	return 1;
}
