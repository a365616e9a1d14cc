#include "kern/trap.h"

#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/dev.h"
#include "kern/dev/lapic.h"
#include "kern/dev/timer.h"
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

/* trapentry.S */
enum { TRAP_STUB_SIZE = 16 };
extern const char trap_stubs[], trap_syscall_stub[], trap_iretq[], trap_hlt[];
void trap_sti_hlt(void);
_Noreturn void trap_resume(const struct trapframe *tf, struct trapframe *top);

/* SDM vol. 3, "64-Bit Mode IDT". */
enum { IDT_ENTRIES = 256, GATE_INTERRUPT = 0x8e, GATE_DPL_USER = 3 << 5 };

struct gate {
	uint16_t offset_low;
	uint16_t sel;
	uint8_t ist;
	uint8_t type;
	uint16_t offset_mid;
	uint32_t offset_high;
	uint32_t reserved;
};
_Static_assert(sizeof(struct gate) == 16, "an IDT gate has 16 bytes");

static struct gate idt[IDT_ENTRIES];

static void
point_gate(unsigned int vector, unsigned int dpl_bits, unsigned int ist, const char *stub)
{
	uint64_t entry = (uint64_t)stub;

	idt[vector] = (struct gate){
	        .offset_low = entry,
	        .sel = SEL_KCODE,
	        .ist = ist,
	        .type = GATE_INTERRUPT | dpl_bits,
	        .offset_mid = entry >> 16,
	        .offset_high = entry >> 32,
	};
}

static void
set_gate(unsigned int vector, unsigned int dpl_bits, unsigned int ist)
{
	point_gate(vector, dpl_bits, ist, trap_stubs + vector * TRAP_STUB_SIZE);
}

/* Every gate shuts interrupts: the kernel runs with them off. */
void
trap_init(void)
{
	for (unsigned int v = 0; v < IDT_ENTRIES; v++)
		set_gate(v, 0, 0);
	set_gate(X86_BP, GATE_DPL_USER, 0);
	set_gate(X86_DF, 0, IST_DF);
	set_gate(X86_NMI, 0, IST_NMI);
	set_gate(X86_MC, 0, IST_MC);
	point_gate(T_SYSCALL, GATE_DPL_USER, 0, trap_syscall_stub);
	trap_load_idt();
}

void
trap_load_idt(void)
{
	const struct table_register idtr = {sizeof(idt) - 1, (uint64_t)idt};

	__asm__ volatile("lidt %0" : : "m"(idtr));
}

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

/* Input came in by this interrupt, or while the kernel was printing. */
static void
wake_readers(void)
{
	if (console_has_news())
		terminal_input();
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
	wake_readers();
	env_destroy(e, ENV_WAIT_KILLED);
	sched_yield();
}

/* One interrupt T_TIMER may come early: the LAPIC counts at most 32 bits. */
static void
timer_interrupt(void)
{
	struct cpu *cpu = this_cpu();

	lapic_eoi();
	if (cpu->timer_at == UINT64_MAX)
		return;
	if (rdtsc() < cpu->timer_at)
		timer_program(cpu->timer_at);
	else
		sched_tick();
}

void
trap_interrupt(unsigned int vector)
{
	/* In guest mode and while idle the lock is free. */
	bool held = spin_holding(&kernel_lock);

	/* Whoever called this CPU back has the lock, and waits until this one waits for it. */
	if (!held)
		spin_lock(&kernel_lock);
	if (vector == T_IPI) {
		lapic_eoi();
		sched_poked();
	} else if (vector == T_TIMER) {
		timer_interrupt();
	} else if (vector >= T_IRQ_BASE && vector < T_IRQ_BASE + IRQ_COUNT) {
		if (pic_ack(vector - T_IRQ_BASE))
			console_take();
	} else if (vector != T_SPURIOUS) { /* which has no end-of-interrupt */
		kprintf("nestling: unexpected interrupt, vector %u, ignored\n", vector);
	}
	wake_readers();
	if (held)
		return;
	if (this_cpu()->env)
		tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
}

void
trap_let_in(void)
{
	struct cpu *cpu = this_cpu();

	cpu->interruptible = true;
	__asm__ volatile("sti; nop; cli" : : : "memory");
	cpu->interruptible = false;
}

void
trap_wait(void)
{
	struct cpu *cpu = this_cpu();

	cpu->interruptible = true;
	trap_sti_hlt();
	cpu->interruptible = false;
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
	wake_readers();
	if (this_cpu()->resched)
		sched_yield();
	tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
}

void
trap_syscall(struct trapframe *tf)
{
	struct env *e = this_cpu()->env;

	if (tf->rax != SYS_vcpu_run) {
		user_trap(tf);
		return;
	}
	e->tf = tf;
	tf->rax = vcpu_run(e, tf->rdi, tf->rsi);
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

_Noreturn void
trap_return(const struct trapframe *tf)
{
	trap_resume(tf, (struct trapframe *)((uint64_t)this_cpu() + CPU_KSTACK_TOP) - 1);
}
