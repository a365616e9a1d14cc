#ifndef NESTLING_GUEST_KERNEL_BENCH_H
#define NESTLING_GUEST_KERNEL_BENCH_H

/* What the benchmarks share, with their assembly part (benchops.S) too. */

#define BENCH_UART_IIR (COM1 + 2)
#define BENCH_PIC      0x20
#define BENCH_EOI      0x20

#ifndef __ASSEMBLER__
#include <stdint.h>

/* Operands of an operation: its registers before, and the buffer of string instructions. */
struct bench_regs {
	uint64_t rax, rcx, rdx;
	const void *rsi;
};

/* An instruction or two and a RET; bench_nothing is the RET alone: the empty loop. */
typedef void bench_op(void);
bench_op bench_nothing, bench_cpuid, bench_vmcall, bench_vmmcall, bench_rdmsr, bench_wrmsr,
        bench_cr0, bench_out, bench_in, bench_outs;

/*
 * The way of an interrupt whose cost is measured: it notes the TSC as its very first act,
 * then takes the UART's request away and acknowledges.
 */
extern char bench_interrupt[];
extern volatile uint64_t bench_interrupt_tsc;

/* Here a row's loop begins: Bochs's debugger stops, if told to; nothing happens elsewhere. */
static inline void
bench_mark(void)
{
	__asm__ volatile("xchg %%bx, %%bx" : : : "memory");
}

/* Ticks of one call. */
uint32_t bench_time(bench_op *op, const struct bench_regs *r);
/* Fills samples[0..n). */
void bench_loop(bench_op *op, const struct bench_regs *r, unsigned int n);

/* What the hypervisor has counted of this VM; only where in_nestling(). */
struct bench_counters {
	uint64_t exits, vmreads, vmwrites;
};
struct bench_counters bench_counters(void);

/* Interrupts and halts (benchirq.c); each fills samples[0..n). */
void bench_irq_start(void);
void bench_irq_stop(void);
void bench_soft_interrupt(unsigned int n); /* INT: the delivery alone, which makes no exit */
void bench_irq_pending(unsigned int n);    /* from an STI with a request waiting */
void bench_hlt_pending(unsigned int n);    /* the same, but the STI is followed by HLT */
void bench_hlt_timer(unsigned int n);      /* how late a HLT ends after the timer's time */
#endif

#endif
