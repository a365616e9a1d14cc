#ifndef NESTLING_KERN_SYS_SYSCALL_H
#define NESTLING_KERN_SYS_SYSCALL_H

#include <stdint.h>

#include "kern/env.h"

/*
 * System calls, one function each: sys_NAME, with the arguments in arg[] in
 * the order of inc/syscall.h.  They are in sysconsole.c, sysenv.c, sysmem.c,
 * sysipc.c, sysvm.c and sysaudit.c; those that are free of the kernel lock are
 * trap_syscall()'s.
 */
enum { SYSCALL_ARGS = 5 };
#define X(name) int64_t sys_##name(struct env *e, const uint64_t arg[SYSCALL_ARGS]);
#define FREE(name)
SYSCALL_TABLE(X, FREE)
#undef FREE
#undef X

/* Runs the system call that e's registers ask for.  Returns its result. */
int64_t syscall(struct env *e);

/*
 * Blocks the caller; when it wakes, its system call starts again from the
 * beginning.  That is how a call waits without a kernel stack of its own.
 */
_Noreturn void syscall_restart(struct env *e, enum env_wait why, uint32_t wait_for);
/* Wakes a caller that waits in syscall_restart with this result: the call does not start again. */
void syscall_finish(struct env *e, int64_t result);
/* Blocks the caller; whoever wakes it has put the result into e->tf->rax. */
_Noreturn void syscall_block(struct env *e, enum env_wait why, uint32_t wait_for);

#endif
