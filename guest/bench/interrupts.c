#include "guest/bench/bench.h"
#include "guest/kernel/console.h"
#include "guest/kernel/irq.h"
#include "guest/kernel/trap.h"
#include "inc/x86.h"

/*
 * Benchmarks of interrupts: from the instruction that lets one in to the first instruction of its
 * handler.  The UART's transmitter, which is always empty, requests an interrupt at once; the
 * timer's one-shot mode requests one later.
 */

enum {
	UART_IER = COM1 + 1,
	IER_RECEIVE = 1,
	IER_TRANSMIT = 2,
	WAIT_COUNT = 1000, /* periods of the timer's input clock: about 0.8 ms */
};

void
bench_irq_start(void)
{
	console_flush();
	console_wait();
	cli();
	trap_set_entry(T_IRQ + IRQ_COM1, bench_interrupt);
	trap_set_entry(T_IRQ + IRQ_TIMER, bench_interrupt);
	trap_set_entry(T_SOFT, bench_interrupt);
	irq_unmask(IRQ_TIMER);
}

void
bench_irq_stop(void)
{
	timer_stop();
	trap_set_entry(T_IRQ + IRQ_COM1, NULL);
	trap_set_entry(T_IRQ + IRQ_TIMER, NULL);
	trap_set_entry(T_SOFT, NULL);
	sti();
}

/* Runs `code`.  Its value is the ticks from before it to the handler that it leads to. */
#define TIME_TO_HANDLER(code)                          \
	({                                             \
		uint64_t from_ = rdtsc();              \
		__asm__ volatile(code : : : "memory"); \
		sample_of(from_, bench_interrupt_tsc); \
	})

void
bench_soft_interrupt(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		samples[i] = TIME_TO_HANDLER("int $0x30");
}

void
bench_irq_pending(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		outb(UART_IER, IER_RECEIVE | IER_TRANSMIT);
		samples[i] = TIME_TO_HANDLER("sti; nop; cli");
		outb(UART_IER, IER_RECEIVE);
	}
}

void
bench_hlt_pending(unsigned int n)
{
	for (unsigned int i = 0; i < n; i++) {
		outb(UART_IER, IER_RECEIVE | IER_TRANSMIT);
		samples[i] = TIME_TO_HANDLER("sti; hlt; cli");
		outb(UART_IER, IER_RECEIVE);
	}
}

static void
wait_halted(unsigned int n, uint16_t count)
{
	for (unsigned int i = 0; i < n; i++) {
		timer_one_shot(count);
		samples[i] = TIME_TO_HANDLER("sti; hlt; cli");
	}
}

/*
 * A wait twice as long has the same overhead.  The difference of both is the wait alone, which is
 * subtracted.
 */
void
bench_hlt_timer(unsigned int n)
{
	uint32_t twice, wait;

	wait_halted(n, 2 * WAIT_COUNT);
	twice = summarize(n).median;
	wait_halted(n, WAIT_COUNT);
	wait = twice - summarize(n).median;
	for (unsigned int i = 0; i < n; i++)
		samples[i] = samples[i] > wait ? samples[i] - wait : 0;
}
