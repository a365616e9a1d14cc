#include "kern/env.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/envqueue.h"
#include "kern/mem/aspace.h"

/* The table of Envs: their ids, who descends from whom, who has a CPU. */

struct env envs[ENV_MAX];
unsigned int env_count;
uint32_t env_init_id;

/* First in, first out too: a dead process's id and slot come back as late as can be. */
static struct env_queue free_envs;

void
env_init(void)
{
	for (unsigned int i = 0; i < ENV_MAX; i++) {
		envs[i].id = i;
		queue_push(&free_envs, &envs[i]);
	}
}

struct env *
env_find(uint32_t id)
{
	struct env *e = &envs[id % ENV_MAX];

	return e->id == id && e->status != ENV_FREE ? e : NULL;
}

bool
env_descends(const struct env *e, uint32_t ancestor)
{
	while (e && e->parent != ancestor)
		e = env_find(e->parent);
	return e;
}

int
env_alloc(uint32_t parent, struct aspace *as, struct env **out)
{
	struct env *e = free_envs.head;
	uint32_t id;

	if (!e)
		return -E_NO_FREE_ENV;
	if (as)
		aspace_get(as);
	else if (!(as = aspace_create()))
		return -E_NO_MEM;
	queue_leave(e);
	id = e->id + ENV_MAX;
	if (id < ENV_MAX) /* generation 0 is for slots that were never used */
		id += ENV_MAX;
	*e = (struct env){
	        .id = id,
	        .parent = parent,
	        .leader = id,
	        .status = ENV_BLOCKED,
	        .tf = &e->saved,
	        .as = as,
	        .deadline = UINT64_MAX,
	};
	env_count++;
	*out = e;
	return 0;
}

void
env_reap(struct env *e)
{
	e->status = ENV_FREE;
	env_count--;
	queue_push(&free_envs, e);
}

void
env_for_each(struct env *leader, void (*fn)(struct env *e))
{
	for (struct env *e = envs; leader->followers && e < envs + ENV_MAX; e++)
		if (e->status != ENV_FREE && e != leader && e->leader == leader->id)
			fn(e);
	fn(leader);
}

struct env *
env_ended_child(const struct env *e)
{
	for (struct env *child = envs; child < envs + ENV_MAX; child++)
		if (child->status == ENV_ZOMBIE && child->parent == e->id)
			return child;
	return NULL;
}

struct cpu *
env_cpu(const struct env *e)
{
	return e->status == ENV_RUNNING ? e->home : NULL;
}

void
env_stop(void)
{
	struct cpu *cpu = this_cpu();
	struct env *e = cpu->env;

	if (!e)
		return;
	e->ticks += rdtsc() - cpu->env_since;
	if (e->tf != &e->saved) {
		e->saved = *e->tf;
		e->tf = &e->saved;
	}
	cpu->env = NULL;
}

uint64_t
env_ticks(const struct env *e)
{
	return e->ticks + (e->home && e->home->env == e ? rdtsc() - e->home->env_since : 0);
}
