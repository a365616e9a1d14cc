#ifndef NESTLING_USER_SH_SH_H
#define NESTLING_USER_SH_SH_H

#include "lib/user/log.h"
#include "lib/user/user.h"

/* The shell: lines of commands (sh.c), what it does itself (builtins.c), programs as jobs (jobs.c),
 * and those jobs that are VMs (vmjobs.c). */

enum {
	STATUS_ERROR = 1,
	STATUS_USAGE = 2,
	STATUS_CANNOT_RUN = 126,
	STATUS_NOT_FOUND = 127,
	STATUS_KILLED = 128,
	STATUS_INTERRUPTED = 130,
};

enum { JOBS_MAX = VM_MAX, WORDS_MAX = SPAWN_ARGS_MAX - 1 /* one is for vm_job_option() */ };

struct job {
	uint32_t process;        /* 0: the slot is free */
	uint32_t vm;             /* 0: it is not a VM */
	char image[VM_NAME_MAX]; /* that the VM booted from */
	bool ended;              /* and is kept for its log */
	int status;              /* when it has ended */
	struct log *log;         /* what a VM in the background prints; NULL: none */
};

/* sh.c */
extern int last_status;
extern bool leaving;

/* builtins.c: runs a command of the shell's own; false if there is none of that name. */
bool builtin_run(int argc, char **argv, int *status);

/* jobs.c */
/* Runs a program to its end, or until the console comes back, or only starts it; a status. */
int job_run(int argc, char **argv, bool background);
/* Gives it the console; its status, or 0 when it has given the console back. */
int job_attend(struct job *job);
/* Tells of all jobs that have ended since the last call. */
void jobs_news(void);
unsigned int jobs_running(void);
/* The first status that was not 0, of jobs in the background that ended; then forgets it. */
int jobs_failure(void);
/* The shell ends: its jobs do, too. */
void jobs_end(void);
struct job *job_of_vm(uint64_t vm); /* NULL: none */
/* A job for a VM, with a log but without process; NULL after a message. */
struct job *job_new_vm(void);
void job_forget(struct job *job);
/* What a user calls it, such as `vm 2'. */
enum { JOB_NAME_MAX = 24 };
void job_name(const struct job *job, char name[JOB_NAME_MAX]);

/* vmjobs.c */
bool vm_job_is(int argc, char **argv);
/* What its monitor must be told on its command line. */
char *vm_job_option(bool background);
/* A log in the shell's memory; false after a message. */
bool vm_job_prepare(struct job *job, unsigned int slot);
/* The monitor has been started: hands over the log, and learns the VM's number if it has one. */
void vm_job_join(struct job *job);
/* Prints what it has printed, and what of that is lost. */
void vm_job_show_log(struct job *job);
/* Has it printed something that nobody has seen? */
bool vm_job_unseen(const struct job *job);
/* `vm attach 2' and the like; false if it is no such command. */
bool vm_command(int argc, char **argv, int *status);
void vm_help(void (*print)(const char *name, const char *args, const char *text));

#endif
