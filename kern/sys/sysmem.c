#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/initrd.h"
#include "kern/mem/aspace.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"
#include "lib/string.h"
#include "vmm/hv.h"

/* System calls: memory and files. */

int64_t
sys_mem_map(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return aspace_map_zero(e->as, arg[0], arg[1], PTE_W | PTE_NX);
}

int64_t
sys_mem_unmap(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	return aspace_unmap(e->as, arg[0], arg[1]);
}

/* Of one process only: memory that processes share has an address in each. */
int64_t
sys_mem_wait(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint32_t now;
	int err = copy_in(e->as, &now, arg[0], sizeof now);

	if (err || now != arg[1])
		return err;
	if (e->vcpu)
		vcpu_waits(e->vcpu);
	e->wait_va = arg[0];
	e->tf->rax = 0;
	syscall_block(e, WAIT_MEMORY, 0);
}

int64_t
sys_mem_wake(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	uint64_t woken = 0;

	for (struct env *it = envs; it < envs + ENV_MAX && woken < arg[1]; it++) {
		if (it->status != ENV_BLOCKED || it->wait != WAIT_MEMORY || it->as != e->as ||
		    it->wait_va != arg[0])
			continue;
		sched_wake(it);
		woken++;
	}
	return (int64_t)woken;
}

int64_t
sys_file_info(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	const struct file *f = arg[0] <= UINT32_MAX ? initrd_at(arg[0]) : NULL;
	struct file_info info = {0};

	if (!f)
		return -E_NOT_FOUND;
	strlcpy(info.name, f->name, sizeof info.name);
	info.size = f->size;
	return copy_out(e->as, arg[1], &info, sizeof info);
}

int64_t
sys_file_map(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	char path[FILE_NAME_MAX];
	const struct file *f;
	uint64_t va = arg[1], done = 0;
	int err = copy_in_string(e->as, path, arg[0], sizeof path);

	if (err)
		return err == -E_INVAL ? -E_NOT_FOUND : err;
	f = initrd_find(path);
	if (!f)
		return -E_NOT_FOUND;
	while (!err && done < f->size) {
		err = aspace_map_page(e->as, va + done, f->pages[done / PAGE_SIZE],
		                      PTE_COW | PTE_NX);
		done += PAGE_SIZE;
	}
	if (!err)
		return f->size;
	if (done > PAGE_SIZE)
		aspace_unmap(e->as, va, done - PAGE_SIZE);
	return err;
}
