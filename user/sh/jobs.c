#include "user/sh/sh.h"

/* Programs: in the foreground one, which has the console, the others in the background. */

static struct job jobs[JOBS_MAX];
static int failure; /* the first of a job in the background */

void
job_name(const struct job *job, char name[JOB_NAME_MAX])
{
	if (job->vm)
		snprintf(name, JOB_NAME_MAX, "vm %u", job->vm);
	else
		snprintf(name, JOB_NAME_MAX, "process %x", job->process);
}

void
job_forget(struct job *job)
{
	if (job->log)
		sys_mem_unmap(job->log, LOG_SIZE);
	*job = (struct job){0};
}

/* One that has ended gives way, if need be, with what nobody has read; NULL after a message. */
static struct job *
free_slot(void)
{
	struct job *ended = NULL;

	for (struct job *job = jobs; job < jobs + JOBS_MAX; job++) {
		if (!job->process)
			return job;
		if (job->ended && (!ended || job->vm < ended->vm))
			ended = job;
	}
	if (!ended) {
		printf("sh: too many jobs: a shell has at most %d\n", JOBS_MAX);
		return NULL;
	}
	printf("[vm %u] its log is discarded to make room for another job\n", ended->vm);
	job_forget(ended);
	return ended;
}

struct job *
job_new_vm(void)
{
	struct job *job = free_slot();

	return job && vm_job_prepare(job, job - jobs) ? job : NULL;
}

static struct job *
job_of_process(uint32_t process)
{
	for (struct job *job = jobs; job < jobs + JOBS_MAX; job++)
		if (job->process == process && !job->ended)
			return job;
	return NULL;
}

struct job *
job_of_vm(uint64_t vm)
{
	for (struct job *job = jobs; vm && job < jobs + JOBS_MAX; job++)
		if (job->vm == vm)
			return job;
	return NULL;
}

unsigned int
jobs_running(void)
{
	unsigned int n = 0;

	for (const struct job *job = jobs; job < jobs + JOBS_MAX; job++)
		n += job->process && !job->ended;
	return n;
}

int
jobs_failure(void)
{
	int first = failure;

	failure = 0;
	return first;
}

static int
status_of(long result)
{
	return result == ENV_WAIT_KILLED ? STATUS_KILLED : result < 0 ? STATUS_ERROR : (int)result;
}

/* A job in the background has ended: one line says so.  It is kept if there is something to read.
 */
static void
announce(struct job *job, long result)
{
	char name[JOB_NAME_MAX];
	bool unseen = vm_job_unseen(job);

	job_name(job, name);
	if (result == ENV_WAIT_KILLED)
		printf("[%s] killed", name);
	else
		printf("[%s] ended, status %ld", name, result);
	if (unseen)
		printf("; `vm log %u` shows what it printed", job->vm);
	printf("\n");
	job->ended = true;
	job->status = status_of(result);
	if (!failure)
		failure = job->status;
	if (!unseen)
		job_forget(job);
}

void
jobs_news(void)
{
	struct env_end end;
	struct job *job;

	while (sys_env_ended(&end) == 0)
		if ((job = job_of_process(end.id)) != NULL)
			announce(job, end.status);
}

/* Starts a program in the slot; 0, or a status after a message. */
static int
start(struct job *job, int argc, char **argv, bool background)
{
	char *words[SPAWN_ARGS_MAX];
	bool is_vm = vm_job_is(argc, argv);
	long id;

	if (is_vm && !vm_job_prepare(job, job - jobs))
		return STATUS_CANNOT_RUN;
	/* Ahead of the user's words, the last of which may want a value. */
	words[0] = argv[0];
	if (is_vm)
		words[1] = vm_job_option(background);
	memcpy(words + 1 + is_vm, argv + 1, (argc - 1) * sizeof words[0]);
	id = sys_spawn(argv[0], words, argc + is_vm);
	if (id > 0) {
		job->process = id;
		if (is_vm)
			vm_job_join(job);
		return 0;
	}
	job_forget(job);
	if (id != -E_NOT_FOUND) {
		printf("sh: %s: %s\n", argv[0], error_text(id));
		return STATUS_CANNOT_RUN;
	}
	printf("sh: %s: no such command; `help` lists them\n", argv[0]);
	return STATUS_NOT_FOUND;
}

/* It is over, and was in the foreground: nothing is to be announced. */
static int
finish(struct job *job, long result)
{
	vm_job_show_log(job);
	job_forget(job);
	return status_of(result);
}

int
job_attend(struct job *job)
{
	long result;

	if (sys_console_give(job->process) == 0)
		result = sys_env_attend(job->process);
	else /* we are in the background ourselves */
		result = sys_env_wait(job->process);
	if (result != ENV_WAIT_CONSOLE)
		return finish(job, result);
	printf("[vm %u] goes on in the background; `vm attach %u` comes back\n", job->vm, job->vm);
	return 0;
}

int
job_run(int argc, char **argv, bool background)
{
	struct job *job = free_slot();
	char name[JOB_NAME_MAX];
	int status;

	if (!job)
		return STATUS_CANNOT_RUN;
	status = start(job, argc, argv, background);
	if (status)
		return status;
	if (!background)
		return job_attend(job);
	/* A monitor that could not make its VM has said why. */
	if (job->log && !job->vm)
		return finish(job, sys_env_wait(job->process));
	job_name(job, name);
	printf("[%s] %s, in the background\n", name, job->vm ? job->image : argv[0]);
	return 0;
}

void
jobs_end(void)
{
	char name[JOB_NAME_MAX];

	for (struct job *job = jobs; job < jobs + JOBS_MAX; job++) {
		if (!job->process || job->ended)
			continue;
		job_name(job, name);
		sys_env_kill(job->process);
		sys_env_wait(job->process);
		printf("[%s] killed: its shell has exited\n", name);
		job_forget(job);
	}
}
