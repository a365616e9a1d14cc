#include "kern/terminal.h"

#include "inc/error.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/sched.h"
#include "vmm/hv.h"

static uint32_t owner;

/* One that waits for input or for the console looks again; a monitor comes back from its guest. */
static void
notify(struct env *e)
{
	if (e->wait == WAIT_CONSOLE || e->wait == WAIT_CHILD)
		sched_wake(e);
	if (e->vcpu)
		vcpu_kick(e->vcpu);
}

/* An interrupt of our own: what it ends, a guest or a process, lets terminal_hear() run. */
static void
input_waits(void)
{
	cpu_poke(this_cpu());
}

void
terminal_init(const struct env *e)
{
	owner = e->id;
	console_on_input(input_waits);
}

bool
terminal_owned(const struct env *e)
{
	return e->id == owner;
}

int
terminal_give(const struct env *from, struct env *to)
{
	const struct env *now = env_find(owner);

	if (!to || to->status == ENV_ZOMBIE ||
	    (to != from && to->id != from->parent && !env_descends(to, from->id)))
		return -E_BAD_ENV;
	if (now != from && !(now && env_descends(now, from->id)))
		return -E_CONSOLE;
	owner = to->id;
	notify(to);
	return 0;
}

void
terminal_lost(const struct env *e)
{
	struct env *parent = env_find(e->parent);
	const struct env *now = env_find(owner);

	if (!now || !parent || (now != e && !env_descends(now, e->id)))
		return;
	owner = parent->id;
	notify(parent);
}

void
terminal_hear(void)
{
	struct env *e = console_has_news() ? env_find(owner) : NULL;

	if (e)
		notify(e);
}
