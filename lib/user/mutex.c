#include "lib/user/mutex.h"

#include "lib/user/user.h"

void
mutex_wait(struct mutex *m, uint32_t ticket)
{
	uint32_t serving;

	while ((serving = __atomic_load_n(&m->serving, __ATOMIC_ACQUIRE)) != ticket)
		sys_mem_wait(&m->serving, serving);
}

/* Only one of them has the ticket, but who that is nobody else knows. */
void
mutex_wake(struct mutex *m)
{
	sys_mem_wake(&m->serving, UINT32_MAX);
}
