#include "kern/trap.h"

#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/env.h"
#include "kern/ipi.h"
#include "kern/lock.h"
#include "kern/mem/aspace.h"
#include "kern/mem/tlb.h"
#include "kern/panic.h"
#include "kern/sched.h"
#include "kern/sys/syscall.h"
#include "kern/terminal.h"
#include "vmm/hv.h"

/* kern/trapreturn.S */
extern const char trap_iretq[], trap_hlt[];

static bool
from_user(const struct trapframe *tf)
{
	return (tf->cs & 3) == 3;
}

/* Before cpu_load the boot stack is in use, and this_cpu() is nobody. */
static bool
on_cpu_stack(void)
{
	uint64_t cpu = (uint64_t)this_cpu();

	return cpu >= CPU_BASE && cpu < CPU_BASE + CPUS_MAX * CPU_SPAN;
}

/* What a page fault wanted to do, by its error code. */
static const char *
access_name(uint64_t error)
{
	return error & PF_I ? "executing" : error & PF_W ? "writing" : "reading";
}

static _Noreturn void
kernel_fault(struct trapframe *tf)
{
	const char *where = from_user(tf) ? "user mode" : "the kernel";
	uint64_t va = read_cr2();

	if (tf->vector == X86_DF && on_cpu_stack() && va - (uint64_t)this_cpu() < CPU_KSTACK_BOTTOM)
		panic_trap(tf, "kernel stack overflow");
	if (tf->vector == X86_PF)
		panic_trap(tf, "page fault in %s: %s 0x%lx", where, access_name(tf->error),
		           (unsigned long)va);
	panic_trap(tf, "%s in %s (vector %lu, error %#lx)", trap_name(tf->vector), where,
	           (unsigned long)tf->vector, (unsigned long)tf->error);
}

/* One line, and the process is gone. */
static _Noreturn void
kill_env(struct env *e, unsigned int vector, uint64_t error)
{
	console_fresh_line();
	kprintf("%s (process %#x): %s", e->name, e->id, trap_name(vector));
	if (vector == X86_PF)
		kprintf(" %s 0x%lx", access_name(error), (unsigned long)read_cr2());
	kprintf(" at rip 0x%lx: killed\n", (unsigned long)e->tf->rip);
	terminal_hear();
	env_destroy(e, ENV_WAIT_KILLED);
	sched_yield();
}

static void
nmi(struct trapframe *tf)
{
	static uint64_t count;

	if (!cpu_nmi())
		kprintf("nestling: NMI %lu on CPU %u ignored\n", (unsigned long)++count,
		        this_cpu()->index);
	/* The NMI has ended the blocking of the STI: an interrupt could come before the HLT, and
	 * the HLT would then wait for the next one. */
	if (tf->rip == (uint64_t)trap_hlt) {
		tf->rip = (uint64_t)trap_sti_hlt;
		tf->rflags &= ~(uint64_t)RFLAGS_IF;
	}
}

/* An exception of user mode. */
static void
user_exception(struct env *e)
{
	struct trapframe *tf = e->tf;
	int access = tf->error & PF_I ? ACCESS_EXEC : tf->error & PF_W ? ACCESS_WRITE : ACCESS_READ;

	if (tf->vector == X86_PF && (tf->error & PF_RSVD))
		panic_trap(tf, "reserved bit in a page table of %s, address 0x%lx", e->name,
		           (unsigned long)read_cr2());
	if (tf->vector == X86_PF && aspace_fault(e->as, read_cr2(), access) == 0)
		return;
	kill_env(e, tf->vector, tf->error);
}

/* Comes back when the Env goes on at once, by the frame on the stack. */
static void
user_trap(struct trapframe *tf)
{
	struct env *e = this_cpu()->env;

	e->tf = tf;
	spin_lock(&kernel_lock);
	if (tf->vector == T_SYSCALL)
		tf->rax = syscall(e);
	else if (tf->vector < T_IRQ_BASE)
		user_exception(e);
	else
		trap_interrupt(tf->vector);
	terminal_hear();
	if (this_cpu()->resched)
		sched_yield();
	tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
}

void
trap_syscall(struct trapframe *tf)
{
	struct env *e = this_cpu()->env;
	int64_t result;

	if (tf->rax != SYS_vcpu_run) {
		user_trap(tf);
		return;
	}
	e->tf = tf;
	result = vcpu_run(e, tf->rdi, tf->rsi);
	if (result == VCPU_YIELDS)
		sched_yield();
	tf->rax = result;
}

static void
kernel_trap(struct trapframe *tf)
{
	if (tf->rip == (uint64_t)trap_iretq && tf->vector == X86_GP && on_cpu_stack()) {
		/* The user's frame is at fault: an address that is not canonical. */
		spin_lock(&kernel_lock);
		kill_env(this_cpu()->env, tf->vector, tf->error);
	}
	/* We set no breakpoints.  Bochs raises here the #DB of a guest that SVM intercepted. */
	if (tf->vector == X86_DB && on_cpu_stack()) {
		write_dr6(DR6_FIXED);
		return;
	}
	if (tf->vector < T_IRQ_BASE || !on_cpu_stack() || !this_cpu()->interruptible)
		kernel_fault(tf);
	trap_interrupt(tf->vector);
}

void
trap(struct trapframe *tf)
{
	if (tf->vector == X86_NMI && on_cpu_stack())
		nmi(tf);
	else if (from_user(tf) && tf->vector != X86_DF && tf->vector != X86_MC)
		user_trap(tf);
	else
		kernel_trap(tf);
}
