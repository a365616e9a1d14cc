#include "kern/lock.h"

#include "inc/x86.h"
#include "lib/assert.h"

struct spinlock kernel_lock = {.name = "kernel"};

void
spin_wait(struct spinlock *l, uint32_t ticket)
{
	if (spin_holding(l))
		panic("lock %s taken twice by CPU %u", l->name, this_cpu()->index);
	while (__atomic_load_n(&l->serving, __ATOMIC_ACQUIRE) != ticket) {
		if (l->waiting)
			l->waiting();
		pause_cpu();
	}
	if (l->waited)
		l->waited();
}

_Noreturn void
spin_not_held(const struct spinlock *l)
{
	panic("lock %s released by CPU %u, which does not hold it", l->name, this_cpu()->index);
}
