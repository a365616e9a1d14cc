#include "user/vm/machine.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "lib/user/log.h"

/*
 * The VM as a job of the shell.  In the background what it prints goes to a log, pages that
 * the shell has given us, so that it can be read even when we are gone; and what the shell
 * wants comes as requests (enum vm_request).
 */

static struct log *const job_log = (struct log *)UJOB_BASE;

static uint32_t
parent_id(void)
{
	uint32_t self = sys_env_id();
	struct env_info info;

	for (unsigned int i = 0; sys_env_info(i, &info) == 0; i++)
		if (info.id == self)
			return info.parent;
	panic("process %#x is not in the table of processes", self);
}

static void
to_log(const void *buf, size_t size)
{
	log_write(job_log, buf, size);
}

/* The pages come in order, by messages; those of strangers do not count. */
void
job_join(struct machine *m)
{
	struct ipc_msg msg;

	m->attached = m->opts.job != JOB_BACK;
	if (m->opts.job == JOB_NONE)
		return;
	m->parent = parent_id();
	for (unsigned int page = 0; page < LOG_PAGES;) {
		long err = sys_ipc_recv(&msg, (char *)job_log + page * PAGE_SIZE);

		if (err < 0)
			panic("cannot receive the log's pages: %s", error_text(err));
		page += msg.from == m->parent && msg.has_page;
	}
	if (!m->attached)
		stdout_to(to_log);
}

/* The copy is a job of its own, in the background. */
static void
begin_as_clone(struct machine *m, uint32_t id)
{
	m->vm = id;
	m->opts.job = JOB_BACK;
	sys_mem_unmap(job_log, LOG_SIZE); /* that is the other's */
	job_join(m);
	report_clone(m);
}

/* What became of it the kernel tells the shell. */
static void
clone(struct machine *m)
{
	uint32_t id;
	long child;

	if (m->opts.job == JOB_NONE)
		return;
	smp_stop(m);
	/* Another's thread may just be about to sleep. */
	while ((child = sys_vm_clone(m->vm, &id, true)) == -E_AGAIN)
		sys_env_yield();
	if (child == 0)
		begin_as_clone(m, id);
	smp_go(m);
}

static void
attach(struct machine *m)
{
	char buf[256];
	size_t n;

	m->attached = true;
	stdout_to(NULL);
	if (m->opts.job == JOB_NONE)
		return;
	/* The shell has shown what there was before it gave us the console. */
	while ((n = log_read(job_log, buf, sizeof buf)) > 0)
		put_bytes(buf, n);
}

bool
job_detach(struct machine *m)
{
	long err;

	if (m->opts.job == JOB_NONE) {
		printf(VM_NAME " %u: no shell started this VM, so it cannot be detached\n", m->vm);
		return false;
	}
	stdout_to(to_log);
	err = sys_console_give(m->parent);
	m->attached = err < 0;
	if (m->attached) {
		stdout_to(NULL);
		printf(VM_NAME " %u: cannot detach: %s\n", m->vm, error_text(err));
	}
	return !m->attached;
}

static void
fulfil(struct machine *m, long requests)
{
	if (requests < 0)
		panic("cannot ask for requests: %s", error_text(requests));
	if (requests & VM_REQ_ATTACH)
		attach(m);
	if (requests & VM_REQ_PAUSE)
		m->paused = true;
	if (requests & (VM_REQ_RESUME | VM_REQ_RESET))
		m->paused = false;
	if (requests & VM_REQ_RESET)
		machine_restart(m);
	if (requests & VM_REQ_CLONE)
		clone(m);
	if (requests & VM_REQ_STOP)
		machine_off(m, STATUS_OK);
}

void
job_requests(struct machine *m)
{
	fulfil(m, sys_vm_requests(m->vm, false));
	if (!m->paused)
		return;
	machine_hold(m);
	while (m->paused && m->state == RUN_ON) {
		fulfil(m, sys_vm_requests(m->vm, true));
		terminal_poll(m);
	}
	machine_release(m);
}
