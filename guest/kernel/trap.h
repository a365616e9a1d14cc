#ifndef NESTLING_GUEST_KERNEL_TRAP_H
#define NESTLING_GUEST_KERNEL_TRAP_H

/* Segments, traps and try_run (trap.c, trapentry.S, entry.S). */

#define STACK_SIZE    0x4000
#define SEL_KCODE     0x08
#define SEL_KDATA     0x10
#define SEL_UDATA     0x1b
#define SEL_UCODE     0x23
#define SEL_TSS       0x28
#define SEL_BAD       0x40 /* beyond the GDT */

#define T_IRQ         0x20 /* IRQ 0 to 15 */
#define T_SOFT        0x30 /* free for INT n, also from ring 3 */
#define T_CALL        0x31 /* interrupt from another CPU: smp_run() has a function to run */
#define T_PING        0x32 /* interrupt from another CPU: send one back (smpcheck.c) */
#define T_FLUSH       0x33 /* interrupt from another CPU: a page was mapped anew (smpcheck.c) */
#define T_LAPIC_TIMER 0x34
#define T_SPURIOUS    0x35 /* the local APIC's spurious interrupt */
#define T_STUBS       0x36 /* vectors from here on have no gate: INT n gets #GP */

#define IST_DOUBLE    1 /* the interrupt stack of #DF */
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

/* An exception that try_run() caught. */
struct fault {
	unsigned int vector;
	uint64_t error, rip, cr2;
};

/* Handles a trap in place of the default action.  May change the frame. */
typedef void trap_hook(struct trapframe *tf);

/* Loads the first CPU's segments and the IDT. */
void trap_init(void);
/* Does the same on CPU `index`, not the first, which has segments and stacks of its own. */
void trap_init_other(unsigned int index);
/* The stubs in trapentry.S call this for every trap. */
void trap(struct trapframe *tf);
/* Sets the hook of a vector; NULL restores the default action.  Returns the hook before. */
trap_hook *trap_set_hook(unsigned int vector, trap_hook *hook);
/* Points a vector's gate at `entry` instead of its stub; NULL restores the stub. */
void trap_set_entry(unsigned int vector, const char *entry);
/* Returns how many traps came through this vector since boot. */
uint64_t trap_count(unsigned int vector);
/* A hook that ends the innermost try_run(), as an exception without a hook does. */
void trap_unwind(struct trapframe *tf);
/* Loads DS, ES and SS with the kernel's data segment. */
void trap_reload_segments(void);
/* Gives a vector interrupt stack `ist`, 1 to 7; 0 takes it away: the current stack is used. */
void trap_set_ist(unsigned int vector, unsigned int ist);
/* Sets the top of an interrupt stack of the first CPU; ist 0 is the stack of traps from ring 3. */
void trap_set_stack(unsigned int ist, uint64_t top);

/* Runs fn(arg).  If it faults, drops what it was doing, fills in *f unless NULL, returns true. */
bool try_run(void (*fn)(void *), void *arg, struct fault *f);
/*
 * Returns true if an error code is that of a fault while `vector` was delivered: vector * 8 + 2
 * (SDM vol. 3, "Error Code").  QEMU 7.2 shifts by one bit more in long mode; that passes, too.
 */
static inline bool
trap_error_names(uint64_t error, unsigned int vector)
{
	return error == vector * 8 + 2 || error == vector * 16 + 2;
}
/* Returns a short name: "#GP". */
const char *trap_name(unsigned int vector);

/* entry.S: try_call() for try_run(); where it continues after a fault, on which stack. */
bool try_call(void (*fn)(void *), void *arg);
extern char try_fault[], stack_top[];
extern uint64_t try_stack;
#endif

#endif
