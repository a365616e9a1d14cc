#include "tests/unit/cpu.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "kern/cpu.h"
#include "kern/lock.h"
#include "tests/unit/unit.h"

struct spinlock kernel_lock;

/* The lock calls this when it is taken twice, or released by another CPU. */
void
spin_wait(struct spinlock *l, uint32_t ticket)
{
	(void)ticket;
	fail_msg("the lock is held by %u", l->holder);
}

_Noreturn void
spin_not_held(const struct spinlock *l)
{
	fail_msg("the lock is held by %u", l->holder);
	abort();
}

struct call {
	int (*fn)(void);
	int result;
};

static void *
call(void *arg)
{
	struct call *c = arg;

	c->result = c->fn();
	return NULL;
}

int
on_a_cpu(int (*fn)(void))
{
	char *span = aligned_alloc(CPU_SPAN, CPU_SPAN);
	struct call c = {fn, 1};
	pthread_attr_t attr;
	pthread_t thread;

	memset(span, 0, sizeof(struct cpu));
	pthread_attr_init(&attr);
	pthread_attr_setstack(&attr, span + CPU_KSTACK_BOTTOM, CPU_KSTACK_TOP - CPU_KSTACK_BOTTOM);
	if (!pthread_create(&thread, &attr, call, &c))
		pthread_join(thread, NULL);
	free(span);
	return c.result;
}
