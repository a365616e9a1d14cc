#ifndef NESTLING_VMM_QUIRKS_H
#define NESTLING_VMM_QUIRKS_H

#include "vmm/vcpu.h"

/*
 * Quirks that an emulator has on both back ends.  Each names the emulator and its version;
 * docs/QUIRKS.md says more.  The quirks of one back end are in vmm/vmx/quirks.c and
 * vmm/svm/quirks.c.
 */

/*
 * Bochs 2.7: a guest that was entered with IF clear keeps the host's interrupts out for as long as
 * it leaves IF clear.  Returns whether it is time that this exit lets them in.
 */
static inline bool
quirk_let_in_due(const struct vcpu *v, const struct hv_exit *x)
{
	return x->tsc >= v->let_in_at;
}

/*
 * Bochs 2.7: an exit for an exception forgets that STI blocks interrupts.  Called where the
 * instruction at RIP runs again after the host's own page fault: puts the blocking back if an
 * interrupt waits and the instruction before is STI.
 */
void quirk_keep_blocking(struct vcpu *v);

#endif
