#include "kern/sys/syscall.h"

#include "inc/error.h"

/* Dispatch of system calls. */

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
