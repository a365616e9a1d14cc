#include "kern/sched.h"
#include "kern/sys/syscall.h"

/* How a system call waits: no kernel stack survives, so that the call ends, or begins again. */

enum { INT_SIZE = 2 }; /* bytes of the int instruction */

_Noreturn void
syscall_block(struct env *e, enum env_wait why, uint32_t wait_for)
{
	sched_block(e, why, wait_for);
	sched_yield();
}

_Noreturn void
syscall_restart(struct env *e, enum env_wait why, uint32_t wait_for)
{
	e->tf->rip -= INT_SIZE; /* rax still holds the number */
	syscall_block(e, why, wait_for);
}

void
syscall_finish(struct env *e, int64_t result)
{
	e->tf->rip += INT_SIZE;
	e->tf->rax = result;
	sched_wake(e);
}
