#include "inc/error.h"
#include "inc/memlayout.h"
#include "inc/x86.h"
#include "kern/boot/initrd.h"
#include "kern/elf.h"
#include "kern/env.h"
#include "kern/mem/aspace.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "kern/terminal.h"
#include "lib/string.h"

/* How Envs come to be: programs, copies, threads. */

static void
abandon(struct env *e)
{
	aspace_put(e->as);
	env_reap(e);
}

void
env_abandon(struct env *e)
{
	env_for_each(e, abandon);
}

void
env_start(struct env *e)
{
	env_for_each(e, sched_start);
}

/*
 * Puts argv onto the new stack: the strings, below them the pointers with a closing NULL,
 * below them, aligned as the ABI wants it at the start, nothing yet.
 */
static int
push_arguments(struct env *e, int argc, const char *const *argv)
{
	uint64_t pointers[SPAWN_ARGS_MAX + 1] = {0};
	uint64_t sp = USTACK_TOP;
	int err = 0;

	if (argc < 0 || argc > SPAWN_ARGS_MAX)
		return -E_INVAL;
	for (int i = argc - 1; !err && i >= 0; i--) {
		size_t size = strlen(argv[i]) + 1;

		if (size > SPAWN_BYTES_MAX)
			return -E_INVAL;
		sp -= size;
		pointers[i] = sp;
		err = copy_out(e->as, sp, argv[i], size);
	}
	if (err)
		return err;
	sp = ROUND_DOWN(sp - (argc + 1) * sizeof *pointers, 16);
	e->tf->rdi = argc;
	e->tf->rsi = sp;
	e->tf->rsp = sp;
	return copy_out(e->as, sp, pointers, (argc + 1) * sizeof *pointers);
}

static int
env_load(struct env *e, const struct file *f, int argc, const char *const *argv)
{
	int err = elf_load(e->as, f, &e->tf->rip);

	/* Below the stack nothing is mapped unless the program asks for it: an overflow faults. */
	if (!err)
		err = aspace_map_zero(e->as, USTACK_TOP - USTACK_SIZE, USTACK_SIZE, PTE_W | PTE_NX);
	if (!err)
		err = push_arguments(e, argc, argv);
	e->tf->cs = SEL_UCODE;
	e->tf->ss = SEL_UDATA;
	e->tf->rflags = RFLAGS_IF | RFLAGS_FIXED;
	return err;
}

int
env_spawn(const char *path, int argc, const char *const *argv, uint32_t parent, struct env **out)
{
	const struct file *f = initrd_find(path);
	struct env *e;
	int err;

	if (!f)
		return -E_NOT_FOUND;
	err = env_alloc(parent, NULL, &e);
	if (err)
		return err;
	err = env_load(e, f, argc, argv);
	if (err) {
		env_abandon(e);
		return err;
	}
	strlcpy(e->name, path, sizeof e->name);
	if (!parent) {
		env_init_id = e->id;
		terminal_init(e);
	}
	sched_start(e);
	*out = e;
	return 0;
}

int
env_copy(struct env *parent, struct env **out)
{
	struct env *e;
	int err = env_alloc(parent->id, NULL, &e);

	if (err)
		return err;
	err = aspace_copy(e->as, parent->as);
	if (err) {
		env_abandon(e);
		return err;
	}
	e->saved = *parent->tf;
	e->saved.rax = 0;
	memcpy(e->name, parent->name, sizeof e->name);
	*out = e;
	return 0;
}

int
env_fork(struct env *parent, struct env **out)
{
	int err = env_copy(parent, out);

	if (!err)
		env_start(*out);
	return err;
}

int
env_copy_thread(const struct env *thread, struct env *child, struct env **out)
{
	struct env *e;
	int err = env_alloc(child->id, child->as, &e);

	if (err)
		return err;
	e->saved = thread->saved;
	memcpy(e->name, thread->name, sizeof e->name);
	env_follow(e, child);
	*out = e;
	return 0;
}

int
env_thread(struct env *parent, uint64_t rip, uint64_t rsp, uint64_t arg, struct env **out)
{
	struct env *e;
	int err = env_alloc(parent->id, parent->as, &e);

	if (err)
		return err;
	*e->tf = (struct trapframe){
	        .rip = rip,
	        .rsp = rsp,
	        .rdi = arg,
	        .cs = SEL_UCODE,
	        .ss = SEL_UDATA,
	        .rflags = RFLAGS_IF | RFLAGS_FIXED,
	};
	memcpy(e->name, parent->name, sizeof e->name);
	sched_start(e);
	*out = e;
	return 0;
}

/* e and who has it as leader: nobody's leader follows another. */
static void
change_leader(struct env *e, struct env *leader)
{
	for (struct env *f = envs; e->followers && f < envs + ENV_MAX; f++)
		if (f->status != ENV_FREE && f->leader == e->id)
			f->leader = leader->id;
	leader->followers += e->followers + 1;
	e->followers = 0;
	e->leader = leader->id;
}

void
env_follow(struct env *e, const struct env *other)
{
	struct env *leader = env_find(other->leader), *parent = env_find(e->parent);

	if (e->leader != leader->id)
		change_leader(e, leader);
	e->orphan = true;
	if (parent->wait == WAIT_CHILD && parent->wait_for == e->id)
		sched_wake(parent);
}
