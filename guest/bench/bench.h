#ifndef NESTLING_GUEST_BENCH_BENCH_H
#define NESTLING_GUEST_BENCH_BENCH_H

/* Shared by the benchmarks, in C and in assembly (ops.S). */

#define BENCH_UART_IIR (COM1 + 2)
#define BENCH_PIC      0x20
#define BENCH_EOI      0x20

#ifndef __ASSEMBLER__
#include <stdint.h>

#include "guest/boot/boot.h"

enum {
	UART_SCRATCH = COM1 + 7, /* a register that keeps what is written and does nothing else */
	LEAF_TOTAL = 0x4fffffff, /* EAX: all exits of this VM, in the leaves' profiles v1 and v2 */
};

/* Samples of TSC ticks, and statistics over them (bench.c). */
enum { SAMPLES_MAX = 65536 };
extern uint32_t samples[SAMPLES_MAX];
struct summary {
	uint32_t median, min, p95, max;
};
/* Sorts samples[0..n), n > 0, and returns their statistics. */
struct summary summarize(unsigned int n);
/* Returns the difference of two TSC values as a sample, at most UINT32_MAX. */
static inline uint32_t
sample_of(uint64_t from, uint64_t to)
{
	return to - from > UINT32_MAX ? UINT32_MAX : to - from;
}

/* Registers of an operation before it starts.  RSI points to the buffer of a string instruction. */
struct bench_regs {
	uint64_t rax, rcx, rdx;
	const void *rsi;
};

/*
 * An operation: an instruction or two and a RET.  bench_nothing is the RET alone, for the empty
 * loop.
 */
typedef void bench_op(void);
bench_op bench_nothing, bench_cpuid, bench_vmcall, bench_vmmcall, bench_rdmsr, bench_wrmsr,
        bench_cr0, bench_out, bench_in, bench_outs, bench_mmio_read, bench_mmio_write;

/*
 * The handler of an interrupt whose cost is measured.  It stores the TSC first, in
 * bench_interrupt_tsc; then it withdraws the UART's request and sends the end of interrupt.
 */
extern char bench_interrupt[];
extern volatile uint64_t bench_interrupt_tsc;

/*
 * Marks the start of a row's loop: Bochs's debugger stops here if told to.  Does nothing elsewhere.
 */
static inline void
bench_mark(void)
{
	__asm__ volatile("xchg %%bx, %%bx" : : : "memory");
}

/* Time one call of an operation, n calls into samples[0..n), and n calls of bench_nothing. */
uint32_t bench_time(bench_op *op, const struct bench_regs *r);
struct summary bench_loop(bench_op *op, const struct bench_regs *r, unsigned int n);
struct summary bench_empty_loop(unsigned int n);

/* Print a table of summaries. */
void bench_print_head(const char *what);
void bench_print_row(const char *name, struct summary s);

/*
 * Returns what the hypervisor has counted for this VM.  Must be called in a VM of Nestling's only.
 */
struct bench_counters {
	uint64_t exits, vmreads, vmwrites;
};
struct bench_counters bench_counters(void);

/* Interrupts and halts (interrupts.c); each fills samples[0..n). */
void bench_irq_start(void);
void bench_irq_stop(void);
void bench_soft_interrupt(unsigned int n); /* INT: the delivery alone, without an exit */
void bench_irq_pending(unsigned int n);    /* from an STI with a request pending */
void bench_hlt_pending(unsigned int n);    /* the same, but the STI is followed by HLT */
void bench_hlt_timer(unsigned int n);      /* how late HLT ends after the timer's time */
#endif

#endif
