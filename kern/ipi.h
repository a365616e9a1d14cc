#ifndef NESTLING_KERN_IPI_H
#define NESTLING_KERN_IPI_H

#include <stdbool.h>

/*
 * What one CPU wants of another.
 *
 * A recall calls a CPU back into the kernel.  Only the holder of the kernel lock recalls, and
 * waits until the other has answered: that one has left user mode or guest mode then, and needs
 * the lock to go on, so that it stays out of both until the lock is released.  It answers
 * while it waits for the lock (cpu_answer()), which the interrupt wants first: at places where it
 * holds no address that it has translated.  Since it answers without the lock, a holder who waits
 * cannot deadlock.
 */
struct cpu;

/* cpu is another one.  With the kernel lock. */
void cpu_recall(struct cpu *cpu);
void cpu_recall_others(void);
/* The same, and cpu calls `call` before it answers, which must not take the lock. */
void cpu_recall_call(struct cpu *cpu, void (*call)(const void *arg), const void *arg);
/* The other side: lets who recalls this CPU go on. */
void cpu_answer(void);

/* Interrupts a CPU, without waiting: it looks at its Env, its vCPU, the run queue. */
void cpu_poke(struct cpu *cpu);

/* An NMI: true when it came from here, and is done with. */
bool cpu_nmi(void);
/* A panic: the other CPUs stop for good, as far as they can.  False: another CPU is panicking. */
bool cpu_stop_others(void);
bool cpu_panicking(void);

#endif
