#ifndef NESTLING_GUEST_KERNEL_TRAP_H
#define NESTLING_GUEST_KERNEL_TRAP_H

/* Segments, exceptions, interrupts (trap.c, trapentry.S, irq.c). */

#define STACK_SIZE    0x4000
#define SEL_KCODE     0x08
#define SEL_KDATA     0x10
#define SEL_UDATA     0x1b
#define SEL_UCODE     0x23
#define SEL_TSS       0x28
#define SEL_BAD       0x40 /* beyond the GDT */

#define T_IRQ         0x20 /* IRQ 0 to 15 */
#define T_SOFT        0x30 /* free for INT n, from ring 3 too */
#define T_CALL        0x31 /* from another CPU: there is something to run; */
#define T_PING        0x32 /* answer; */
#define T_FLUSH       0x33 /* an entry of the page tables has changed */
#define T_LAPIC_TIMER 0x34
#define T_SPURIOUS    0x35 /* of a local APIC */
#define T_STUBS       0x36 /* vectors from here on have no gate: INT n gets #GP */

#define IRQ_TIMER     0
#define IRQ_CASCADE   2
#define IRQ_COM1      4
#define IRQ_SPURIOUS  7
#define IRQ_SPURIOUS2 15

#define IST_DOUBLE    1 /* the stack of #DF */
#define IST_TEST      2 /* free for tests */

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

struct trapframe {
	uint64_t r15, r14, r13, r12, r11, r10, r9, r8;
	uint64_t rdi, rsi, rbp, rbx, rdx, rcx, rax;
	uint64_t vector, error; /* error: 0 for vectors without one */
	uint64_t rip, cs, rflags, rsp, ss;
};

/* The last exception that try_run caught. */
struct fault {
	unsigned int vector;
	uint64_t error, rip, cr2;
};

/* Gets the trap instead of the default, and may change the frame. */
typedef void trap_hook(struct trapframe *tf);

void trap_init(void);
/* The same for CPU `index`, not the first: its own segments and stacks. */
void trap_init_other(unsigned int index);
/* Called by the stubs. */
void trap(struct trapframe *tf);
/* NULL: the default again.  Returns the hook before. */
trap_hook *trap_set_hook(unsigned int vector, trap_hook *hook);
/* Code that gets the vector in place of the stubs and trap(); NULL: those again. */
void trap_set_entry(unsigned int vector, const char *entry);
/* Traps taken through this vector since boot. */
uint64_t trap_count(unsigned int vector);
/* A hook that ends the try_run around the trap, as an exception without a hook does. */
void trap_unwind(struct trapframe *tf);
/* DS, ES, SS as the kernel has them. */
void trap_reload_segments(void);
/* Stack number `ist` (1 to 7; 0: the current one) for this vector. */
void trap_set_ist(unsigned int vector, unsigned int ist);
/* Top of an interrupt stack of the first CPU; ist 0: the stack of traps from ring 3. */
void trap_set_stack(unsigned int ist, uint64_t top);

/* Runs fn(arg).  True when it faulted; *f, unless NULL, then says how. */
bool try_run(void (*fn)(void *), void *arg, struct fault *f);
/*
 * The error code of a fault while vector n was delivered: n * 8 + 2 (SDM vol. 3,
 * "Error Code").  QEMU 7.2 shifts by one more in long mode; that passes too.
 */
static inline bool
trap_error_names(uint64_t error, unsigned int vector)
{
	return error == vector * 8 + 2 || error == vector * 16 + 2;
}
/* A short name: "#GP". */
const char *trap_name(unsigned int vector);

/* The 8259s and the 8254 (irq.c). */
void irq_init(void);
void irq_unmask(unsigned int irq);
void irq_mask(unsigned int irq);
/* Sends end of interrupt; false when the interrupt was spurious. */
bool irq_acknowledge(unsigned int irq);
/* Interrupt requests that wait at the first 8259. */
uint8_t irq_requested(void);

enum { TIMER_HZ = 100 };
/* Starts the timer interrupt; false (and a line) when none arrives in reasonable time. */
bool timer_start(void);
void timer_stop(void);
/* One interrupt after `count` periods of the 8254's input clock.  The line is the caller's. */
void timer_one_shot(uint16_t count);
/* Interrupts since boot; counts only between start and stop. */
uint64_t timer_ticks(void);

/* From entry.S. */
bool try_call(void (*fn)(void *), void *arg);
extern char try_fault[], stack_top[];
extern uint64_t try_stack;
#endif

#endif
