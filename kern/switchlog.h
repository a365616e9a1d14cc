#ifndef NESTLING_KERN_SWITCHLOG_H
#define NESTLING_KERN_SWITCHLOG_H

#include <stdint.h>

/*
 * A switch of a CPU from one guest to another, step by step: what each takes, and which
 * registers it changes.  The kernel's option `switches=N` has the first N printed.  Off, a
 * step costs the test of a word, and none is on the way of an exit.
 */
enum switch_step {
	SWITCH_YIELD,     /* sched_yield begins */
	SWITCH_RUN,       /* env_run has another Env */
	SWITCH_SAVED,     /* the registers that the hardware does not switch are in memory */
	SWITCH_PUT,       /* the control block is off the CPU */
	SWITCH_CR3,       /* the other Env's page tables are loaded */
	SWITCH_LOAD,      /* its vCPU's control block is on the CPU */
	SWITCH_REGISTERS, /* and so are its registers */
	SWITCH_ENTRY,     /* its guest is about to be entered */
	SWITCH_STEPS
};

/* Reads the kernel's command line. */
void switchlog_init(void);
extern uint32_t switchlog_left;
/* One step is done. */
void switchlog_note(enum switch_step step);

static inline void
switchlog_step(enum switch_step step)
{
	if (switchlog_left)
		switchlog_note(step);
}

#endif
