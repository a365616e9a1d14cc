#include "inc/mmu.h"
#include "inc/x86.h"
#include "kern/console.h"
#include "kern/cpu.h"
#include "kern/dev/dev.h"
#include "kern/dev/lapic.h"
#include "kern/dev/timer.h"
#include "kern/lock.h"
#include "kern/mem/tlb.h"
#include "kern/sched.h"
#include "kern/terminal.h"
#include "kern/trap.h"

/* The host's interrupts: the timer, other CPUs, the console. */

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
	terminal_hear();
	if (held)
		return;
	if (this_cpu()->env)
		tlb_check(this_cpu());
	spin_unlock(&kernel_lock);
}
