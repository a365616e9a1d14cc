#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/poweroff.h"
#include "kern/env.h"
#include "kern/mem/aspace.h"
#include "kern/sched.h"
#include "kern/terminal.h"
#include "vmm/hv.h"

/* How Envs end. */

/* Init takes over the children, but does not know them: their ends are nobody's business. */
static void
orphan_children(const struct env *e)
{
	for (struct env *child = envs; child < envs + ENV_MAX; child++) {
		if (child->status == ENV_FREE || child->parent != e->id)
			continue;
		child->parent = env_init_id;
		child->orphan = true;
		if (child->status == ENV_ZOMBIE)
			env_reap(child);
	}
}

/* Its killers hear that it is gone. */
static void
wake_killers(const struct env *e)
{
	for (struct env *killer = envs; e->doomed && killer < envs + ENV_MAX; killer++)
		if (killer->wait == WAIT_END && killer->wait_for == e->id)
			sched_wake(killer);
}

/* Leaves the status for the parent, if that is one that may ask. */
static void
leave_status(struct env *e, int status)
{
	struct env *parent = env_find(e->parent);

	if (e->orphan || !parent) {
		env_reap(e);
		return;
	}
	e->status = ENV_ZOMBIE;
	e->exit_status = status;
	if ((parent->wait == WAIT_CHILD && parent->wait_for == e->id) ||
	    parent->wait == WAIT_CONSOLE)
		sched_wake(parent);
}

static void
doom(struct env *e)
{
	struct cpu *cpu = env_cpu(e);

	e->doomed = true;
	if (cpu && cpu != this_cpu())
		sched_preempt(cpu);
}

/* Does another CPU run one of them? */
static bool
runs_elsewhere(const struct env *leader)
{
	for (unsigned int i = 0; i < cpu_count; i++) {
		const struct env *e = cpu_at(i)->env;

		if (e && e->leader == leader->id && cpu_at(i) != this_cpu())
			return true;
	}
	return false;
}

static void
env_free(struct env *e)
{
	sched_forget(e);
	aspace_put(e->as);
	e->as = NULL;
	terminal_lost(e);
	orphan_children(e);
	wake_killers(e);
	leave_status(e, e->exit_status);
}

bool
env_destroy(struct env *e, int status)
{
	struct env *leader = env_find(e->leader), *current = this_cpu()->env;
	bool ends_itself = current && current->leader == leader->id;
	bool elsewhere = runs_elsewhere(leader);

	if (leader->id == env_init_id) {
		if (status == ENV_WAIT_KILLED)
			kprintf("nestling: init was killed\n");
		poweroff(status == ENV_WAIT_KILLED ? 1 : status);
	}
	if (!leader->doomed)
		leader->exit_status = status; /* the first one's */
	if (elsewhere)
		env_for_each(leader, doom);
	if (ends_itself) {
		sched_block(current, WAIT_LAST, 0);
		env_stop();
	}
	if (!elsewhere) {
		vm_env_exit(leader);
		env_for_each(leader, env_free);
	}
	return !elsewhere;
}
