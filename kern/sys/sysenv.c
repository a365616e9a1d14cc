#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/cpu.h"
#include "kern/dev/timer.h"
#include "kern/mem/aspace.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "kern/terminal.h"
#include "lib/string.h"
#include "vmm/hv.h"

/* System calls: processes. */

#define MICROSECONDS    1000000ull
#define SLEEP_MAX       (365ull * 24 * 3600) /* seconds */
#define EXIT_STATUS_MAX UINT8_MAX

int64_t
sys_env_id(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	(void)arg;
	return e->id;
}

int64_t
sys_env_exit(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	env_destroy(e, arg[0] & EXIT_STATUS_MAX);
	sched_yield();
}

int64_t
sys_env_kill(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *victim = arg[0] <= UINT32_MAX ? env_find(arg[0]) : NULL;
	bool ended;

	if (!victim || victim->status == ENV_ZOMBIE)
		return -E_BAD_ENV;
	if (victim != e && !env_descends(victim, e->id))
		return -E_BAD_ENV;
	ended = env_destroy(victim, ENV_WAIT_KILLED);
	if (!this_cpu()->env) /* the caller was among them */
		sched_yield();
	if (ended)
		return 0;
	e->tf->rax = 0;
	syscall_block(e, WAIT_END, victim->id);
}

/* e's child of that id, or NULL. */
static struct env *
child_of(const struct env *e, uint64_t id)
{
	struct env *child = id <= UINT32_MAX ? env_find(id) : NULL;

	return child && child->parent == e->id && !child->orphan ? child : NULL;
}

int64_t
sys_env_wait(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *child = child_of(e, arg[0]);
	int status;

	if (!child)
		return -E_BAD_ENV;
	if (child->status != ENV_ZOMBIE)
		syscall_restart(e, WAIT_CHILD, child->id);
	status = child->exit_status;
	env_reap(child);
	return status;
}

int64_t
sys_env_attend(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	const struct env *child = child_of(e, arg[0]);

	if (child && child->status != ENV_ZOMBIE && terminal_owned(e))
		return ENV_WAIT_CONSOLE;
	return sys_env_wait(e, arg);
}

int64_t
sys_env_ended(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *child = env_ended_child(e);
	struct env_end end;
	int err;

	if (!child)
		return -E_NOT_FOUND;
	end = (struct env_end){.id = child->id, .status = child->exit_status};
	err = copy_out(e->as, arg[0], &end, sizeof end);
	if (!err)
		env_reap(child);
	return err;
}

int64_t
sys_env_yield(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	(void)arg;
	e->tf->rax = 0;
	sched_yield();
}

int64_t
sys_env_sleep(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t seconds = arg[0] / MICROSECONDS, rest = arg[0] % MICROSECONDS;

	if (seconds > SLEEP_MAX)
		return -E_INVAL;
	e->tf->rax = 0;
	sched_deadline(e, rdtsc() + seconds * tsc_hz + rest * tsc_hz / MICROSECONDS);
	syscall_block(e, WAIT_SLEEP, 0);
}

int64_t
sys_env_info(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t index = arg[0];
	struct env_info info = {0};

	for (const struct env *it = envs; it < envs + ENV_MAX; it++) {
		if (it->status == ENV_FREE || index-- > 0)
			continue;
		info.id = it->id;
		info.parent = it->parent;
		info.status = it->status;
		info.vm = it->vcpu ? vcpu_vm_id(it->vcpu) : 0;
		info.runs = it->runs;
		info.ticks = env_ticks(it);
		info.pages = it->as ? it->as->pages : 0;
		memcpy(info.name, it->name, sizeof info.name);
		return copy_out(e->as, arg[1], &info, sizeof info);
	}
	return -E_NOT_FOUND;
}

int64_t
sys_fork(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *child;
	int err = env_fork(e, &child);

	(void)arg;
	return err ? err : (int64_t)child->id;
}

int64_t
sys_thread(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *child;
	int err = env_thread(e, arg[0], arg[1], arg[2], &child);

	return err ? err : (int64_t)child->id;
}

/* Copies a user's argv into buf and points argv[] there. */
static int
copy_in_arguments(struct aspace *as, uint64_t va, uint64_t argc, char *buf, const char **argv)
{
	uint64_t used = 0;

	for (uint64_t i = 0; i < argc; i++) {
		uint64_t string;
		int err = copy_in(as, &string, va + i * sizeof string, sizeof string);

		if (!err)
			err = copy_in_string(as, buf + used, string, SPAWN_BYTES_MAX - used);
		if (err)
			return err;
		argv[i] = buf + used;
		used += strlen(argv[i]) + 1;
	}
	return 0;
}

int64_t
sys_spawn(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	char path[FILE_NAME_MAX], strings[SPAWN_BYTES_MAX];
	const char *argv[SPAWN_ARGS_MAX];
	struct env *child;
	int err;

	if (arg[2] > SPAWN_ARGS_MAX)
		return -E_INVAL;
	err = copy_in_string(e->as, path, arg[0], sizeof path);
	if (err == -E_INVAL) /* longer than any file's name */
		err = -E_NOT_FOUND;
	if (!err)
		err = copy_in_arguments(e->as, arg[1], arg[2], strings, argv);
	if (!err)
		err = env_spawn(path, arg[2], argv, e->id, &child);
	return err ? err : (int64_t)child->id;
}
