#include "user/sh/sh.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/user/parse.h"

/*
 * VMs as jobs.  Their logs are in the shell's memory, so that they outlive the monitors;
 * what the monitors are asked goes by vm_post.
 */

enum { MILLISECOND = 1000, PATIENCE = 5000 /* milliseconds until a monitor does not answer */ };

bool
vm_job_is(int argc, char **argv)
{
	return argc > 1 && !strcmp(argv[0], "vm");
}

char *
vm_job_option(bool background)
{
	return background ? "--job=back" : "--job=front";
}

bool
vm_job_prepare(struct job *job, unsigned int slot)
{
	void *at = (void *)(ULOG_BASE + (uint64_t)slot * LOG_SIZE);
	long err = sys_mem_map(at, LOG_SIZE);

	if (err == 0)
		job->log = at;
	else
		printf("sh: no memory for the VM's log: %s\n", error_text(err));
	return err == 0;
}

static bool
find_vm(uint32_t id, struct vm_info *info)
{
	for (unsigned int i = 0; sys_vm_info(i, info) == 0; i++)
		if (info->id == id)
			return true;
	return false;
}

static void
learn_vm(struct job *job)
{
	struct vm_info info;

	for (unsigned int i = 0; sys_vm_info(i, &info) == 0; i++) {
		if (info.owner != job->process)
			continue;
		job->vm = info.id;
		strlcpy(job->image, info.name, sizeof job->image);
	}
}

/* Until it has the last page the monitor waits with its VM, which may be short-lived. */
void
vm_job_join(struct job *job)
{
	long err = 0;

	for (unsigned int page = 0; page < LOG_PAGES && err == 0; page++) {
		if (page == LOG_PAGES - 1)
			learn_vm(job);
		err = sys_ipc_send(job->process, page, (char *)job->log + page * PAGE_SIZE);
	}
}

bool
vm_job_unseen(const struct job *job)
{
	uint64_t lost;

	return job->log && log_waiting(job->log, &lost) > 0;
}

void
vm_job_show_log(struct job *job)
{
	char buf[256];
	uint64_t lost;
	size_t left, n;

	if (!job->log)
		return;
	left = log_waiting(job->log, &lost);
	if (lost)
		printf("[vm %u] the first %lu bytes are lost: a log keeps the last %d\n", job->vm,
		       lost, LOG_BYTES);
	/* No more than that: a VM may print faster than we. */
	while (left && (n = log_read(job->log, buf, left < sizeof buf ? left : sizeof buf)) > 0) {
		put_bytes(buf, n);
		left -= n;
	}
}

/* Asks the VM's monitor; a status, after a message if it is not 0. */
static int
post(uint32_t vm, uint32_t requests)
{
	long err = sys_vm_post(vm, requests);

	if (err == 0)
		return 0;
	if (err == -E_BAD_VM)
		printf("vm %u: not started from this shell\n", vm);
	else
		printf("vm %u: %s\n", vm, error_text(err));
	return STATUS_ERROR;
}

static bool
is_gone(uint32_t vm)
{
	struct vm_info info;

	jobs_news();
	return !find_vm(vm, &info);
}

static bool
is_paused(uint32_t vm)
{
	struct vm_info info;

	return !find_vm(vm, &info) || info.state == VM_PAUSED;
}

static bool
is_not_paused(uint32_t vm)
{
	struct vm_info info;

	return !find_vm(vm, &info) || info.state != VM_PAUSED;
}

static int
post_and_wait(uint32_t vm, uint32_t requests, bool (*done)(uint32_t vm))
{
	int status = post(vm, requests);

	for (unsigned int i = 0; !status && !done(vm); i++) {
		if (i == PATIENCE) {
			printf("vm %u: does not answer; `kill` ends its process\n", vm);
			return STATUS_ERROR;
		}
		sys_env_sleep(MILLISECOND);
	}
	return status;
}

static int
vm_stop(uint32_t vm)
{
	int status = post_and_wait(vm, VM_REQ_STOP, is_gone);
	struct job *job;

	/* Its process ends right behind its VM. */
	while (!status && (job = job_of_vm(vm)) && !job->ended) {
		sys_env_sleep(MILLISECOND);
		jobs_news();
	}
	return status;
}

static int
vm_pause(uint32_t vm)
{
	return post_and_wait(vm, VM_REQ_PAUSE, is_paused);
}

static int
vm_resume(uint32_t vm)
{
	return post_and_wait(vm, VM_REQ_RESUME, is_not_paused);
}

static int
vm_reset(uint32_t vm)
{
	return post(vm, VM_REQ_RESET);
}

/* The clone in its job: a status, after a message if it is not 0. */
static int
adopt(struct job *job, uint32_t vm, int32_t cloned)
{
	struct vm_info info;

	if (cloned < 0) {
		printf("vm %u: cannot be cloned: %s\n", vm, error_text(cloned));
		return STATUS_ERROR;
	}
	if (!find_vm(cloned, &info)) {
		printf("vm %u: its clone, VM %d, is gone\n", vm, cloned);
		return STATUS_ERROR;
	}
	job->process = info.owner;
	vm_job_join(job);
	printf("[vm %d] clone of vm %u, in the background\n", cloned, vm);
	return 0;
}

static uint32_t clones_before; /* of the VM that is_cloned() asks for */

static bool
is_cloned(uint32_t vm)
{
	struct vm_info info;

	return !find_vm(vm, &info) || info.clones != clones_before;
}

static int
vm_clone(uint32_t vm)
{
	struct vm_info info;
	struct job *job;
	int status;

	if (!job_of_vm(vm) || !find_vm(vm, &info)) {
		printf("vm %u: not started from this shell\n", vm);
		return STATUS_ERROR;
	}
	job = job_new_vm();
	if (!job)
		return STATUS_CANNOT_RUN;
	clones_before = info.clones;
	status = post_and_wait(vm, VM_REQ_CLONE, is_cloned);
	if (!status && !find_vm(vm, &info)) {
		printf("vm %u: has ended\n", vm);
		status = STATUS_ERROR;
	}
	if (!status)
		status = adopt(job, vm, info.cloned);
	if (status)
		job_forget(job);
	return status;
}

static int
vm_attach(uint32_t vm)
{
	struct job *job = job_of_vm(vm);
	int status;

	if (!job) {
		printf("vm %u: not started from this shell\n", vm);
		return STATUS_ERROR;
	}
	if (sys_console_give(sys_env_id()) < 0) {
		printf("vm %u: cannot attach: this shell does not have the console\n", vm);
		return STATUS_ERROR;
	}
	printf("[vm %u] attached%s; Ctrl-] opens a prompt\n", vm,
	       is_not_paused(vm) ? "" : ", but paused: `continue` at its prompt lets it go on");
	vm_job_show_log(job);
	status = post(vm, VM_REQ_ATTACH);
	return status ? status : job_attend(job);
}

static int
vm_log(uint32_t vm)
{
	struct job *job = job_of_vm(vm);

	if (!job) {
		printf("vm %u: this shell has no log of it\n", vm);
		return STATUS_ERROR;
	}
	vm_job_show_log(job);
	if (job->ended)
		job_forget(job);
	return 0;
}

static const struct vm_subcommand {
	const char *name, *text;
	int (*run)(uint32_t vm);
	bool ended; /* also of a VM that has ended */
} subcommands[] = {
        {"attach", "give the console to a VM that runs in the background", vm_attach, false},
        {"clone", "start a copy of a VM that stands where it stands", vm_clone, false},
        {"log", "show what it has printed there since the last look", vm_log, true},
        {"pause", "let a VM and its clocks stand still", vm_pause, false},
        {"reset", "start its guest again", vm_reset, false},
        {"resume", "let a paused VM go on", vm_resume, false},
        {"stop", "end a VM", vm_stop, false},
};

void
vm_help(void (*print)(const char *name, const char *args, const char *text))
{
	char name[16];

	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
		snprintf(name, sizeof name, "vm %s", subcommands[i].name);
		print(name, "N", subcommands[i].text);
	}
}

static int
run_subcommand(const struct vm_subcommand *sub, int argc, char **argv)
{
	struct vm_info info;
	uint64_t vm;

	if (argc != 3 || !parse_number(argv[2], UINT32_MAX, &vm)) {
		printf("usage: vm %s N, the number of a VM; `vms` lists them\n", sub->name);
		return STATUS_USAGE;
	}
	if (find_vm(vm, &info) || (sub->ended && job_of_vm(vm)))
		return sub->run(vm);
	printf("vm %lu: no such VM; `vms` lists them\n", vm);
	return STATUS_ERROR;
}

bool
vm_command(int argc, char **argv, int *status)
{
	if (argc < 2 || strcmp(argv[0], "vm"))
		return false;
	for (size_t i = 0; i < ARRAY_SIZE(subcommands); i++) {
		if (strcmp(argv[1], subcommands[i].name))
			continue;
		*status = run_subcommand(&subcommands[i], argc, argv);
		return true;
	}
	return false;
}
