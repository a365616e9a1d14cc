#ifndef NESTLING_KERN_CPU_H
#define NESTLING_KERN_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/memlayout.h"

struct aspace;
struct env;
struct vcpu;

/* 64-bit task-state segment (SDM vol. 3, "Task Management in 64-bit Mode"). */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7]; /* ist[n-1] is IST n */
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "the TSS has 104 bytes");

/* What LGDT and LIDT take. */
struct table_register {
	uint16_t limit;
	uint64_t base;
} __attribute__((packed));

/*
 * One CPU.  It lies at the start of its own aligned CPU_SPAN of virtual memory
 * and all its stacks lie in the same span, so that the stack pointer finds it:
 *
 *   +0x0000  struct cpu (2 pages)        +0x6000  guard
 *   +0x2000  guard                       +0x7000  machine-check stack
 *   +0x3000  double-fault stack          +0x8000  guard
 *   +0x4000  guard                       +0x9000  kernel stack, 7 pages
 *   +0x5000  NMI stack                   +0x10000 its top
 */
struct cpu {
	uint32_t index;
	uint32_t apic_id;
	struct env *env;    /* running here, or NULL */
	bool idle;          /* looks for an Env to run, or waits for one */
	struct vcpu *vcpu;  /* whose guest state is in the registers, or NULL */
	bool resched;       /* the time slice is over */
	bool interruptible; /* kernel code that lets interrupts in: idle, or after a guest's exit */
	uint64_t slice_end; /* TSC */
	uint64_t timer_at;  /* TSC the LAPIC timer is programmed for; UINT64_MAX: off */
	uint64_t env_since; /* TSC at which env got this CPU */
	/* kern/mem/tlb.c */
	struct aspace *aspace; /* that CR3 has; NULL: the kernel's own tables */
	uint64_t tlb_gen;      /* aspace->tlb_gen as of the last flush here */
	/* kern/ipi.c: written by the holder of the kernel lock, who waits until recalled is false
	 */
	bool recalled;
	void (*recall_call)(const void *arg); /* what this CPU calls before it answers, or NULL */
	const void *recall_arg;
	bool nmi_sent; /* an NMI that comes is ours */
	struct tss tss;
	uint64_t gdt[7] __attribute__((aligned(16)));
	struct table_register gdtr;
};
_Static_assert(sizeof(struct cpu) <= 0x2000, "struct cpu has two pages");

static inline void
lgdt(const struct table_register *gdtr)
{
	__asm__ volatile("lgdt %0" : : "m"(*gdtr));
}

#define CPU_DF_STACK_TOP  0x4000
#define CPU_NMI_STACK_TOP 0x6000
#define CPU_MC_STACK_TOP  0x8000
#define CPU_KSTACK_BOTTOM 0x9000
#define CPU_KSTACK_TOP    0x10000
#define IST_DF            1
#define IST_NMI           2
#define IST_MC            3

/* The CPU that runs this code.  Needs no segment base: see docs/TRICKS.md. */
static inline struct cpu *
this_cpu(void)
{
	uint64_t rsp;
	__asm__("mov %%rsp, %0" : "=r"(rsp));
	return (struct cpu *)(rsp & ~(uint64_t)(CPU_SPAN - 1));
}

static inline struct cpu *
cpu_at(unsigned int index)
{
	return (struct cpu *)(CPU_BASE + (uint64_t)index * CPU_SPAN);
}

extern unsigned int cpu_count; /* that run: cpu_at(0) to cpu_at(cpu_count - 1) */

/* Goes on with fn on another stack, whose bottom nobody needs any more (kern/boot/stack.S). */
_Noreturn void stack_switch(void *top, void (*fn)(void));

/*
 * Maps the span of CPU index and fills its struct cpu, GDT and TSS: the next one that has none, or
 * again the last.  Panics without memory.
 */
void cpu_setup(unsigned int index);
/* Loads this CPU's GDT and TSS and its control bits (NX, WP, SMEP, SMAP, TS). */
void cpu_load(void);

#endif
