#include "vmm/ops.h"

#include "vmm/hv.h"

/*
 * The back end in use.  backends.c names the back ends and sets the pointer.  The pointer is kept
 * here, so that code that uses it does not depend on the back ends.
 */

const struct hv_ops *hv;
struct hv_caps hv_caps;

const char *
hv_name(void)
{
	return hv ? hv->name : NULL;
}

int
hv_cpu_on(void)
{
	return hv ? hv->cpu_on() : 0;
}
