#include "kern/env.h"

#include "inc/error.h"
#include "inc/memlayout.h"
#include "inc/x86.h"
#include "kern/boot/initrd.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/poweroff.h"
#include "kern/elf.h"
#include "kern/envqueue.h"
#include "kern/lock.h"
#include "kern/mem/aspace.h"
#include "kern/mem/tlb.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "kern/switchlog.h"
#include "kern/terminal.h"
#include "lib/string.h"
#include "vmm/hv.h"

struct env envs[ENV_MAX];
unsigned int env_count;

/* First in, first out too: a dead process's id and slot come back as late as can be. */
static struct env_queue free_envs;
static uint32_t init_id;

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

/* A free slot under its next id, with this address space or an empty one; it does not run yet. */
static int
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

/* Calls fn for each follower, and then for the leader. */
static void
for_each_follower(struct env *leader, void (*fn)(struct env *e))
{
	for (struct env *e = envs; leader->followers && e < envs + ENV_MAX; e++)
		if (e->status != ENV_FREE && e != leader && e->leader == leader->id)
			fn(e);
	fn(leader);
}

static void
abandon(struct env *e)
{
	aspace_put(e->as);
	env_reap(e);
}

void
env_abandon(struct env *e)
{
	for_each_follower(e, abandon);
}

void
env_start(struct env *e)
{
	for_each_follower(e, sched_start);
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
		init_id = e->id;
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

/* Init takes over the children, but does not know them: their ends are nobody's business. */
static void
orphan_children(const struct env *e)
{
	for (struct env *child = envs; child < envs + ENV_MAX; child++) {
		if (child->status == ENV_FREE || child->parent != e->id)
			continue;
		child->parent = init_id;
		child->orphan = true;
		if (child->status == ENV_ZOMBIE)
			env_reap(child);
	}
}

struct env *
env_ended_child(const struct env *e)
{
	for (struct env *child = envs; child < envs + ENV_MAX; child++)
		if (child->status == ENV_ZOMBIE && child->parent == e->id)
			return child;
	return NULL;
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

	if (leader->id == init_id) {
		if (status == ENV_WAIT_KILLED)
			kprintf("nestling: init was killed\n");
		poweroff(status == ENV_WAIT_KILLED ? 1 : status);
	}
	if (!leader->doomed)
		leader->exit_status = status; /* the first one's */
	if (elsewhere)
		for_each_follower(leader, doom);
	if (ends_itself) {
		sched_block(current, WAIT_LAST, 0);
		env_stop();
	}
	if (!elsewhere) {
		vm_env_exit(leader);
		for_each_follower(leader, env_free);
	}
	if (ends_itself)
		sched_yield();
	return !elsewhere;
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

/* e gets this CPU.  Guest state of another Env leaves it; e's own may have stayed. */
static void
env_switch(struct env *e)
{
	struct cpu *cpu = this_cpu();

	switchlog_step(SWITCH_RUN);
	env_stop();
	if (cpu->vcpu && cpu->vcpu != e->vcpu)
		hv_switch_out();
	tlb_load(e->as);
	cpu->env = e;
	cpu->env_since = rdtsc();
	e->status = ENV_RUNNING;
	e->runs++;
	if (e->vcpu)
		vcpu_has_cpu(e->vcpu);
	switchlog_step(SWITCH_CR3);
}

_Noreturn void
env_run(struct env *e)
{
	if (this_cpu()->env != e)
		env_switch(e);
	tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
	if (e->guest)
		e->tf->rax = vcpu_loop(e);
	trap_return(e->tf);
}
