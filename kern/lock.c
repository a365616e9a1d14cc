#include "kern/lock.h"

#include "inc/x86.h"
#include "kern/cpu.h"
#include "lib/assert.h"

/* Nobody: a free lock must not name its last holder, who would take the next one's for its own. */
#define NO_CPU UINT32_MAX

struct spinlock kernel_lock = {.name = "kernel", .cpu = NO_CPU};

void
spin_lock(struct spinlock *l)
{
	if (spin_holding(l))
		panic("lock %s taken twice by CPU %u", l->name, l->cpu);
	while (__atomic_exchange_n(&l->locked, 1, __ATOMIC_ACQUIRE))
		while (l->locked)
			pause_cpu();
	__atomic_store_n(&l->cpu, this_cpu()->index, __ATOMIC_RELAXED);
	l->taken++;
}

void
spin_unlock(struct spinlock *l)
{
	if (!spin_holding(l))
		panic("lock %s released by CPU %u, which does not hold it", l->name,
		      this_cpu()->index);
	__atomic_store_n(&l->cpu, NO_CPU, __ATOMIC_RELAXED);
	__atomic_store_n(&l->locked, 0, __ATOMIC_RELEASE);
}

bool
spin_holding(const struct spinlock *l)
{
	return __atomic_load_n(&l->cpu, __ATOMIC_RELAXED) == this_cpu()->index;
}
