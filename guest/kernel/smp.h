#ifndef NESTLING_GUEST_KERNEL_SMP_H
#define NESTLING_GUEST_KERNEL_SMP_H

#include <stdint.h>

/*
 * Several CPUs and their local APICs (smp.c), in a VM of Nestling's that has them.  The first CPU
 * runs the shell, the others wait for work.
 */
enum { CPUS_MAX = 8 };

/* Starts the other CPUs. */
void smp_init(void);
/* Returns how many CPUs run. */
unsigned int smp_count(void);
/* Returns the number of the calling CPU; the first is 0. */
unsigned int smp_this(void);
/* Runs fn on all CPUs at once, with the CPU's number.  Returns when all have finished. */
void smp_run(void (*fn)(unsigned int cpu));
/* Yields the host's CPU once, in a loop that waits for another CPU of this guest. */
void smp_relax(void);
/* Sends an interrupt to a CPU, or to all others with SMP_OTHERS. */
enum { SMP_OTHERS = -1 };
void smp_send(int cpu, unsigned int vector);

/* Read and write a register of the calling CPU's local APIC. */
uint32_t lapic_read(unsigned int reg);
void lapic_write(unsigned int reg, uint32_t value);
enum {
	LAPIC_ID = 0x20,
	LAPIC_EOI = 0xb0,
	LAPIC_SVR = 0xf0,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_INITIAL = 0x380,
	LAPIC_DIVIDE = 0x3e0,
	LAPIC_PERIODIC = 1 << 17,
	LAPIC_DIVIDE_1 = 0xb,
};

#endif
