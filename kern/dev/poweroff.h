#ifndef NESTLING_KERN_DEV_POWEROFF_H
#define NESTLING_KERN_DEV_POWEROFF_H

/*
 * Ends the emulator.  Prints the verdict line "nestling: poweroff, status N", which the launcher
 * reads; status 0 is a clean run.
 */
_Noreturn void poweroff(int status);

#endif
