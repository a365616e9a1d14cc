#include "kern/sys/syscall.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/mem/aspace.h"
#include "kern/mem/usercopy.h"
#include "kern/sched.h"

/*
 * System calls: messages, in JOS's style, a value and perhaps a page.  A
 * sender waits until it is received, a receiver until somebody sends;
 * whoever comes second does the work for both.
 */

static bool
page_va_valid(uint64_t va)
{
	return !(va & (PAGE_SIZE - 1)) && va < USER_END;
}

/* Shares the sender's page with the receiver, in place of what was mapped there. */
static int
pass_page(struct env *from, uint64_t src_va, struct env *to, uint64_t dst_va)
{
	struct page *p;
	uint64_t perm;
	int err = aspace_share(from->as, src_va, &p, &perm);

	if (err)
		return err;
	page_ref(p); /* from's own may be what is unmapped, if both are one address space */
	err = aspace_unmap(to->as, dst_va, PAGE_SIZE);
	if (!err)
		err = aspace_map_page(to->as, dst_va, p, perm);
	page_unref(p);
	return err;
}

/*
 * Hands a message over.  What is wrong with the sender's half is the result;
 * *received tells what the receiver gets.
 */
static int
transfer(struct env *from, uint64_t value, uint64_t src_va, struct env *to, int *received)
{
	struct ipc_msg msg = {.from = from->id, .value = value};

	msg.has_page = src_va && to->ipc_va;
	*received = copy_out(to->as, to->ipc_msg_va, &msg, sizeof msg);
	if (*received || !msg.has_page)
		return 0;
	return pass_page(from, src_va, to, to->ipc_va);
}

int64_t
sys_ipc_send(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *to = arg[0] <= UINT32_MAX ? env_find(arg[0]) : NULL;
	int err, received;

	if (!to || to->status == ENV_ZOMBIE)
		return -E_BAD_ENV;
	if (to == e || !page_va_valid(arg[2]))
		return -E_INVAL;
	if (to->status == ENV_BLOCKED && to->wait == WAIT_IPC_RECV) {
		err = transfer(e, arg[1], arg[2], to, &received);
		if (err)
			return err;
		syscall_finish(to, received);
		if (!received)
			return 0;
	}
	e->ipc_value = arg[1];
	e->ipc_va = arg[2];
	/* If the receiver ends first, the call starts again and finds it gone. */
	syscall_restart(e, WAIT_IPC_SEND, to->id);
}

int64_t
sys_ipc_recv(struct env *e, const uint64_t arg[SYSCALL_ARGS])
{
	struct env *from;
	int err, received;

	if (!page_va_valid(arg[1]))
		return -E_INVAL;
	err = user_touch(e->as, arg[0], sizeof(struct ipc_msg), ACCESS_WRITE);
	if (err)
		return err;
	e->ipc_msg_va = arg[0];
	e->ipc_va = arg[1];
	while ((from = e->senders.head) != NULL) {
		err = transfer(from, from->ipc_value, from->ipc_va, e, &received);
		if (!err && received)
			return received;
		syscall_finish(from, err);
		if (!err)
			return 0;
	}
	syscall_restart(e, WAIT_IPC_RECV, 0); /* also that of its copy in a clone */
}
