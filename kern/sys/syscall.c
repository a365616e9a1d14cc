#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/sched.h"

/* Dispatch of system calls. */

enum { INT_SIZE = 2 }; /* bytes of the int instruction */

static int64_t (*const calls[SYS_MAX])(struct env *e, const uint64_t arg[SYSCALL_ARGS]) = {
#define X(name) [SYS_##name] = sys_##name,
#define FREE(name)
        SYSCALL_TABLE(X, FREE)
#undef FREE
#undef X
};

int64_t
syscall(struct env *e)
{
	const struct trapframe *tf = e->tf;
	const uint64_t arg[SYSCALL_ARGS] = {tf->rdi, tf->rsi, tf->rdx, tf->rcx, tf->r8};

	return tf->rax < SYS_MAX && calls[tf->rax] ? calls[tf->rax](e, arg) : -E_NO_SYS;
}

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
