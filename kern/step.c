#include "kern/step.h"

#include <stddef.h>

unsigned int step_work;
void (*step_poll)(void);

void
step_due(void)
{
	if (!step_poll)
		return;
	step_work = 0;
	step_poll();
}
