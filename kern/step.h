#ifndef NESTLING_KERN_STEP_H
#define NESTLING_KERN_STEP_H

/*
 * What takes long calls it at each step, some hundred instructions: every so many it lets console
 * input in.  The kernel takes no interrupts, and a serial port is overrun after 16 bytes, or
 * 1.4 ms.  With the kernel lock.
 */
void console_step(void);

#endif
