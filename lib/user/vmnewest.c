#include "lib/user/user.h"

uint32_t
vm_newest(void)
{
	struct vm_info info;
	uint32_t newest = 0;

	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++)
		if (info.id > newest)
			newest = info.id;
	return newest;
}
