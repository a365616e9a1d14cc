#ifndef NESTLING_KERN_CRASH_H
#define NESTLING_KERN_CRASH_H

/*
 * Boot: from now on a panic prints its message and a backtrace, and ends in the kernel monitor, or
 * powers off if nobody sits at the console.
 */
void crash_init(void);

#endif
