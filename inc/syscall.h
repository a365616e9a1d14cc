#ifndef NESTLING_INC_SYSCALL_H
#define NESTLING_INC_SYSCALL_H

#include <stdint.h>

/*
 * System calls: int $T_SYSCALL with the number in rax and up to five
 * arguments in rdi, rsi, rdx, rcx, r8; the result comes back in rax, a
 * negative E_ value for an error.  The kernel checks every pointer it is given.
 *
 * The table generates the numbers and the kernel's dispatch table.  A call runs under the kernel
 * lock.  A FREE call runs without it and takes it only for what needs it.
 */
#define SYSCALL_TABLE(X, FREE)                                                                     \
	X(console_write) /* (buf, len) */                                                          \
	X(console_read)  /* (buf, len, CONSOLE_*) -> bytes read; only the owner gets any */        \
	X(console_give)  /* (envid): gives input to the caller, a descendant or the parent */      \
	X(env_id)        /* () -> own id */                                                        \
	X(env_exit)      /* (status): does not return */                                           \
	X(env_kill)      /* (envid): only oneself, or a descendant */                              \
	X(env_wait)      /* (envid) -> exit status (0..255), or 256 when it was killed */          \
	X(env_attend)    /* (envid) -> as env_wait, or ENV_WAIT_CONSOLE: the console is ours */    \
	X(env_ended)     /* (struct env_end *): a child that has ended; E_NOT_FOUND: none */       \
	X(env_yield)     /* () */                                                                  \
	X(env_sleep)     /* (microseconds) */                                                      \
	X(env_info)      /* (index, struct env_info *): E_NOT_FOUND past the last */               \
	X(spawn)         /* (path, argv, argc) -> envid */                                         \
	X(fork)          /* () -> child id, 0 in the child; copy-on-write */                       \
	X(thread)     /* (entry, stack top, arg) -> envid; begins in the caller's address space */ \
	X(mem_map)    /* (va, size): zero-on-demand memory, reserved in full */                    \
	X(mem_unmap)  /* (va, size) */                                                             \
	X(mem_wait)   /* (va of uint32_t, value): blocks until mem_wake, if the value is there */  \
	X(mem_wake)   /* (va, count): wakes up to count threads that wait there -> how many */     \
	X(ipc_send)   /* (envid, value, page va or 0): blocks until received */                    \
	X(ipc_recv)   /* (struct ipc_msg *, page va or 0): blocks */                               \
	X(file_info)  /* (index, struct file_info *): E_NOT_FOUND past the last */                 \
	X(file_map)   /* (path, va) -> size; private, copy-on-write, page-rounded */               \
	X(sys_info)   /* (struct sys_info *) */                                                    \
	X(cmdline)    /* (buf, len) -> length of the kernel's command line */                      \
	X(poweroff)   /* (status, 0..255): ends the emulator */                                    \
	X(kmonitor)   /* (): drops into the kernel monitor K> */                                   \
	X(audit)      /* (struct audit_report *, enum audit_rule): walks all page tables, */       \
	              /* with that rule broken meanwhile, or AUDIT_NONE */                         \
	X(hv_caps)    /* (struct hv_caps *) */                                                     \
	X(vm_create)  /* (struct vm_config *) -> VM id; one VM per address space */                \
	X(vm_destroy) /* (vm id) */                                                                \
	X(vm_map)     /* (vm id, gpa, va, size): the caller's memory becomes guest RAM */          \
	X(vm_clone)   /* (vm id, uint32_t *id, sibling) -> envid, 0 in the child, which has a */   \
	              /* copy of the VM and of the threads that drive its vCPUs.  Both find */     \
	              /* the copy's id in *id.  E_AGAIN: another thread runs a vCPU. */            \
	              /* sibling: makes a child of the caller's parent */                          \
	X(vcpu_create)   /* (vm id, va) -> vCPU index; maps struct vm_run at va.  The caller is */ \
	                 /* the VM's creator or a thread of it: both end together */               \
	FREE(vcpu_run)   /* (vm id, vcpu): runs until the monitor is needed; see inc/vm.h */       \
	X(vcpu_get_regs) /* (vm id, vcpu, struct vm_regs *) */                                     \
	X(vcpu_set_regs) /* (vm id, vcpu, const struct vm_regs *) */                               \
	X(vcpu_reset)    /* (vm id, vcpu): resets it as at its creation; E_AGAIN: it runs */       \
	X(vcpu_set_back) /* (vm id, vcpu, ticks): its TSC goes on as if these had not passed */    \
	X(vcpu_kick)     /* (own vm id, vcpu): its vcpu_run or vcpu_wait returns, or the next */   \
	X(vcpu_wait)     /* (vm id, own vcpu, enum vm_time): blocks until it is kicked; the */     \
	                 /* time counts as halted or paused */                                     \
	X(vm_post)       /* (vm id, VM_REQ_ bits): asks the VM's monitor, a descendant */          \
	X(vm_requests)   /* (own vm id, wait) -> VM_REQ_ bits that came; wait: blocks for some */  \
	X(vm_info)       /* (index, struct vm_info *): E_NOT_FOUND past the last */                \
	X(vm_break_info) /* (index, struct vm_break_info *): E_NOT_FOUND past the last */          \
	X(vcpu_break)    /* (vm id, vcpu, index of a break, or VM_BREAK_CHECK) */                  \
	X(vm_stats)      /* (vm id, vcpu or VM_ALL_VCPUS, struct vm_stats *): any live VM, or */   \
	                 /* VM_KEPT that ended last, also as VM_ENDED(n); E_INVAL: no such vCPU */ \
	X(vm_mark)       /* (vm id, struct vm_stats *, struct vm_stats *): vm_stats of now, of */  \
	                 /* all vCPUs, and of the last vm_mark of this VM; zeros at the first */   \
	X(vm_histogram)  /* (vm id, vcpu, kind, uint64_t[VM_BUCKETS]): both as for vm_stats */     \
	X(vm_keys)       /* (vm id, vcpu, kind, struct vm_keys *): likewise */                     \
	X(vm_trace)      /* (vm id, vcpu, number, struct vm_trace *): that exit, or the oldest */  \
	                 /* that is kept; E_NOT_FOUND: none yet */                                 \
	X(vm_span)       /* (vm id, vcpu, number, struct vm_span *): likewise */

enum {
#define X(name) SYS_##name,
	SYSCALL_TABLE(X, X)
#undef X
	        SYS_MAX
};

enum {
	ENV_NAME_MAX = 32,   /* with the closing 0 */
	FILE_NAME_MAX = 64,  /* with the closing 0 */
	SPAWN_ARGS_MAX = 16, /* arguments of spawn, the program's name included */
	SPAWN_BYTES_MAX = 2048,
	CMDLINE_MAX = 1024, /* with the closing 0 */
	CONSOLE_IO_MAX = 4096,
	ENV_WAIT_KILLED = 256,
	ENV_WAIT_CONSOLE = 257,
};

/* How console_read acts when nothing was typed, or another process owns the console. */
enum {
	CONSOLE_POLL,      /* returns 0 */
	CONSOLE_WAIT,      /* waits */
	CONSOLE_WAIT_CHILD /* waits; returns -E_AGAIN when a child has ended: see env_ended */
};

struct env_end {
	uint32_t id;
	int32_t status; /* as from env_wait */
};

enum env_status { ENV_FREE, ENV_RUNNABLE, ENV_RUNNING, ENV_BLOCKED, ENV_ZOMBIE };

/* What `ps` shows of a process. */
struct env_info {
	uint32_t id;
	uint32_t parent;
	uint32_t status; /* enum env_status */
	uint32_t vm;     /* the VM it drives, or 0 */
	uint64_t runs;   /* times it was given a CPU */
	uint64_t ticks;  /* TSC ticks on a CPU, user and guest mode */
	uint64_t pages;  /* 4 KiB pages mapped, page tables not counted */
	char name[ENV_NAME_MAX];
};

struct ipc_msg {
	uint32_t from;
	uint32_t has_page;
	uint64_t value;
};

struct file_info {
	char name[FILE_NAME_MAX];
	uint64_t size;
};

/* What `free` shows.  Pages are 4 KiB. */
struct sys_info {
	uint64_t pages_total;    /* usable RAM in the page allocator */
	uint64_t pages_free;     /* not allocated */
	uint64_t pages_reserved; /* free, but promised to zero-on-demand or copy-on-write memory */
	uint64_t pages_large;    /* free 2 MiB frames, in frames */
	uint64_t tsc_hz;         /* calibrated against the PIT */
	uint64_t cpus;
	uint64_t uptime_ticks; /* TSC since boot */
	uint32_t envs;
	uint32_t vms;
	uint64_t lock_taken;  /* times that the kernel lock was taken since boot */
	uint64_t page_allocs; /* times that a frame was allocated since boot */
};

#endif
