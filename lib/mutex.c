#include "lib/mutex.h"

#include "lib/user.h"

/* Whoever has waited takes the lock as awaited, since it does not know of others that wait. */
void
mutex_wait(struct mutex *m)
{
	while (__atomic_exchange_n(&m->state, MUTEX_AWAITED, __ATOMIC_ACQUIRE) != MUTEX_FREE)
		sys_mem_wait(&m->state, MUTEX_AWAITED);
}

void
mutex_wake(struct mutex *m)
{
	sys_mem_wake(&m->state, 1);
}
