#ifndef NESTLING_KERN_BOOT_MP_H
#define NESTLING_KERN_BOOT_MP_H

/* Where the other CPUs begin, in real mode: a page of low memory, which nobody else uses. */
#define AP_TRAMPOLINE 0x8000

/* Nobody's APIC id. */
#define AP_NOBODY 0xffffffff

#ifndef __ASSEMBLER__

/*
 * Starts the other CPUs, one after the other, as far as firmware names them and they answer;
 * says why if it is not all of them.  Each of them waits for the kernel lock, and then runs Envs.
 */
void mp_start(void);

#endif
#endif
