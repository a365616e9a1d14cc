#ifndef NESTLING_VMM_VMX_QUIRKS_H
#define NESTLING_VMM_VMX_QUIRKS_H

#include "vmm/vmx/vmx.h"

/* What emulators of VMX do other than the manual says; docs/QUIRKS.md says more. */

/*
 * Bochs 2.7: records an error code also for an exception in real mode, where exceptions have none.
 * Takes "error code valid" out of an interruption-information word that was recorded in real mode:
 * an entry that injects such an event would be refused.
 */
uint32_t quirk_event_info(const struct vcpu *v, uint32_t info);

/*
 * Bochs 2.7: blocks NMIs before it saves the guest's state at an exit for an NMI, so that the guest
 * would keep further NMIs out.  Ends that blocking.
 */
void quirk_unblock_nmi(struct vcpu *v);

/*
 * Bochs 2.7: a guest that was entered with IF clear keeps the host's interrupts out for as long as
 * it leaves IF clear.  Returns the value of the preemption timer with which a guest that causes no
 * exit still leaves guest mode about 100 times a second.  Each entry starts the timer anew.
 */
uint32_t quirk_preemption_ticks(void);

#endif
