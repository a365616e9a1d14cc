#ifndef NESTLING_KERN_DEV_LAPIC_H
#define NESTLING_KERN_DEV_LAPIC_H

#include <stdbool.h>
#include <stdint.h>

/* The local APIC of the CPU that runs the code (kern/dev/lapic.c). */

/* Switches it on, on each CPU once; the PICs' interrupts come to the boot CPU.  Panics without one.
 */
void lapic_init(bool boot_cpu);
void lapic_eoi(void);

/* The timer, which counts down at lapic_hz: off at 0, one interrupt T_TIMER at the end. */
void lapic_timer_start(uint32_t count);
void lapic_timer_mask(bool masked);
uint32_t lapic_timer_now(void);

/* To other CPUs.  What was stored before is seen by the one that is interrupted. */
void lapic_send(uint32_t apic_id, unsigned int vector);
void lapic_send_nmi(uint32_t apic_id);
void lapic_send_nmi_to_others(void);
/* Resets a CPU, which then waits for lapic_send_startup. */
void lapic_send_init(uint32_t apic_id);
/* Starts it in real mode at this address: a page boundary below 1 MiB. */
void lapic_send_startup(uint32_t apic_id, uint32_t address);

#endif
