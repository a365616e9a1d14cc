#include "lib/user/user.h"

int
main(int argc, char **argv)
{
	(void)argv;
	if (argc > 1) {
		printf("usage: kmonitor\n");
		return 2;
	}
	sys_kmonitor();
	return 0;
}
