#ifndef NESTLING_KERN_TERMINAL_H
#define NESTLING_KERN_TERMINAL_H

#include <stdbool.h>

/*
 * Who gets what is typed: one Env at a time, the console's owner.  Everybody may write.
 * First it is init; an owner may hand it on, and its ancestors may take it back.  When the
 * owner ends, however it ends, its parent has the console; and so it is when one of its
 * ancestors ends.  All under the kernel lock.
 */
struct env;

/* init, the first process, has the console. */
void terminal_init(const struct env *e);
bool terminal_owned(const struct env *e);
/*
 * from gives it to itself, a descendant, or its parent.  -E_BAD_ENV: to is neither;
 * -E_CONSOLE: from is neither the owner nor the owner's ancestor.
 */
int terminal_give(const struct env *from, struct env *to);
/* e ends; call it while e has its children and its parent. */
void terminal_lost(const struct env *e);
/* Has the console had input since the last call?  Then wakes the owner, or kicks its vCPU. */
void terminal_hear(void);

#endif
