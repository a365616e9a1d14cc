#ifndef NESTLING_KERN_ENV_H
#define NESTLING_KERN_ENV_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/syscall.h"
#include "kern/trap.h"

struct aspace;
struct cpu;
struct vcpu;

enum { ENV_SLOT_BITS = 10, ENV_MAX = 1 << ENV_SLOT_BITS };

/* What a blocked Env waits for. */
enum env_wait {
	WAIT_NONE,
	WAIT_CONSOLE,
	WAIT_CHILD,
	WAIT_IPC_SEND,
	WAIT_IPC_RECV,
	WAIT_SLEEP,
	WAIT_HALT,
	WAIT_REQUEST,
	WAIT_END,    /* of an Env that it has killed */
	WAIT_MEMORY, /* until it is woken by the address, wait_va */
	WAIT_LAST    /* it ends, as soon as no CPU runs an Env that ends with it */
};

/* First in, first out; an Env is in one queue at most. */
struct env_queue {
	struct env *head, *tail;
};

/*
 * An Env is JOS's process.  It runs in user mode, or, between sys_vcpu_run and
 * its return, in guest mode.  No kernel stack survives a switch: everything
 * that must is here or in struct vcpu.
 */
struct env {
	/* User registers: on the kernel stack from a trap on, in `saved` when the CPU is given up.
	 */
	struct trapframe *tf;
	struct trapframe saved;
	uint32_t id; /* generation << 10 | slot; never 0 */
	uint32_t parent;
	/* Who ends with it, and with whom it ends: the owner of the VM that it drives a vCPU of;
	 * else its own id. */
	uint32_t leader;
	unsigned int followers; /* Envs that have it as leader, itself not counted */
	enum env_status status;
	enum env_wait wait;
	uint32_t wait_for; /* the child's or peer's id */
	int exit_status;   /* of a zombie */
	bool orphan;       /* given to init, which does not wait for it: leaves no zombie */
	char name[ENV_NAME_MAX];
	struct aspace *as;
	struct vcpu *vcpu; /* the vCPU it drives, or NULL */
	bool guest;        /* env_run enters the guest */
	uint64_t deadline; /* TSC at which to wake or kick it; UINT64_MAX: never */
	uint64_t runs, ticks;
	uint64_t slice;          /* ticks that are left of its time slice, while it does not run */
	struct cpu *home;        /* the CPU that it runs on, or ran on last; NULL: none yet */
	bool doomed;             /* it does not run again: see env_destroy() */
	struct env_queue *queue; /* the one it is in, or NULL */
	struct env *next, *prev;
	uint64_t wait_va;   /* WAIT_MEMORY */
	unsigned int timer; /* 1 + its place in a CPU's heap of deadlines; 0: none */
	unsigned int timer_cpu;
	/* IPC, while blocked */
	uint64_t ipc_value, ipc_va, ipc_msg_va;
	struct env_queue senders; /* blocked in ipc_send to this one */
};

extern struct env envs[ENV_MAX];

void env_init(void);
/* A free slot under its next id, with this address space or an empty one; it does not run yet. */
int env_alloc(uint32_t parent, struct aspace *as, struct env **out);
extern uint32_t env_init_id; /* the first process, from which all descend */
/* Calls fn for each of a leader's followers, and then for the leader. */
void env_for_each(struct env *leader, void (*fn)(struct env *e));

/* kern/envspawn.c */

/* A new Env from an ELF file of the initrd.  argv strings are in kernel memory. */
int env_spawn(const char *path, int argc, const char *const *argv, uint32_t parent,
              struct env **out);
int env_fork(struct env *parent, struct env **out);
/* The same in two steps: the child does not run until env_start(), or is given up. */
int env_copy(struct env *parent, struct env **out);
/*
 * The same for a thread of the parent's, which no CPU runs: its copy is a follower of the child,
 * and starts, or is given up, with it.  A system call that the thread waits in comes back at once
 * for the copy, or begins again.
 */
int env_copy_thread(const struct env *thread, struct env *child, struct env **out);
void env_start(struct env *e);
void env_abandon(struct env *e);
/*
 * An Env that shares the parent's address space, where it begins at rip with rsp and arg.  VMs
 * are the Env's that has created them, not every one's of the address space.
 */
int env_thread(struct env *parent, uint64_t rip, uint64_t rsp, uint64_t arg, struct env **out);
/* e, which shares other's address space, ends with it and whom that ends with from now on, and so
 * do e's own followers; nobody learns e's status. */
void env_follow(struct env *e, const struct env *other);

/*
 * Ends it, its leader and all followers of that: frees their memory and their VM, gives their
 * children to init, wakes who waits for the leader.  At once, or, while other CPUs run some of
 * them, soon: false then.  status: 0..255, or ENV_WAIT_KILLED.  If the current Env is among them,
 * this CPU has none any more, and the caller calls sched_yield().  Does not return if init is,
 * whose end is the machine's (kern/envend.c).
 */
bool env_destroy(struct env *e, int status);

/* The CPU that runs it, or NULL. */
struct cpu *env_cpu(const struct env *e);
struct env *env_find(uint32_t id); /* NULL unless alive or zombie */
/* Is e the ancestor's child, or its child's, and so on? */
bool env_descends(const struct env *e, uint32_t ancestor);
/* A child of e that has ended and leaves a status, or NULL. */
struct env *env_ended_child(const struct env *e);
/* Frees a zombie whose status has been read. */
void env_reap(struct env *e);
extern unsigned int env_count; /* in use, zombies included */
/* This CPU's Env does not run on: its registers are saved, its ticks charged. */
void env_stop(void);
/* TSC ticks that e has had a CPU, the present turn included. */
uint64_t env_ticks(const struct env *e);

#endif
