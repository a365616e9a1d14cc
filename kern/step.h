#ifndef NESTLING_KERN_STEP_H
#define NESTLING_KERN_STEP_H

/*
 * Long work takes console input as it goes.  The kernel takes no interrupts, and a serial port is
 * overrun after 16 bytes, or 1.4 ms.  So a loop that may run for longer than a fraction of that
 * calls step(), which polls the console from time to time.
 */

/* How much work a step is, in hundreds of instructions, roughly. */
enum {
	STEP_SMALL = 1,  /* a page-table entry, a page that is allocated */
	STEP_LARGE = 16, /* a whole page table, 64 KiB that are zeroed: polls at once */
};

extern unsigned int step_work;  /* done since the last poll */
extern void (*step_poll)(void); /* set by the console; NULL: nobody wants to poll yet */
void step_due(void);            /* polls */

/* Says that so much work is done.  With the kernel lock. */
static inline void
step(unsigned int work)
{
	step_work += work;
	if (step_work >= STEP_LARGE)
		step_due();
}

#endif
