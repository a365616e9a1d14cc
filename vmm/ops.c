#include "vmm/ops.h"

#include "vmm/hv.h"

/*
 * The back end in use.  It is set by backends.c, which names the back ends, and kept here, so that
 * whoever asks it depends on none of them.
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
