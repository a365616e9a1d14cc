#ifndef NESTLING_VMM_SVM_QUIRKS_H
#define NESTLING_VMM_SVM_QUIRKS_H

#include "inc/x86.h"
#include "vmm/svm/svm.h"

/* What emulators of SVM do other than the manual says; docs/QUIRKS.md says more. */

/*
 * QEMU 7.2 (TCG): VMRUN drops the blocking of STI and MOV SS.  Called at an exit after which the
 * instruction at RIP runs again: notes that instruction if interrupts are blocked for it.
 */
static inline void
quirk_note_blocking(struct svm_vcpu *s)
{
	if (s->vmcb->interrupt_shadow) {
		s->blocked_rip = s->vmcb->rip;
		s->blocked_again = 0;
	}
}

/*
 * The same, at an exit for the host's interrupt: puts the blocking back if the guest is still at
 * the noted instruction.  It does so several times, since a busy emulator may not get to the
 * instruction within a millisecond; but not for ever, since the instruction may also be a jump to
 * itself.
 */
static inline void
quirk_restore_blocking(struct svm_vcpu *s)
{
	enum { BLOCKED_AGAIN_MAX = 8 };

	quirk_note_blocking(s);
	if (s->vmcb->rip == s->blocked_rip && s->blocked_again++ < BLOCKED_AGAIN_MAX)
		s->vmcb->interrupt_shadow = 1;
}

/*
 * Bochs 2.7: EFER.LMA is clear already at the exit of a MOV to CR0 that is to switch paging off.
 * Sets LMA to what LME and CR0.PG make it (APM vol. 2, "Long Mode").
 */
static inline void
quirk_settle_lma(struct vmcb *b)
{
	if ((b->cr0 & CR0_PG) && (b->efer & EFER_LME))
		b->efer |= EFER_LMA;
}

/*
 * QEMU 7.2 (TCG): stores only the low half of the exit code VMEXIT_INVALID, which is -1.  Returns
 * whether VMRUN found the VMCB invalid.
 */
static inline bool
quirk_is_invalid(const struct vmcb *b)
{
	return (uint32_t)b->exit_code == UINT32_MAX;
}

/*
 * QEMU 7.2 (TCG): ends guest mode with VMEXIT_INVALID when the guest loads a CR3 with reserved
 * bits, where a processor raises #GP.  Turns such an exit into that of a MOV to CR3, which raises
 * #GP, and returns true.  Returns false if the entry was refused.
 */
bool quirk_bad_cr3_write(struct vcpu *v);

/*
 * Bochs 2.7: takes the intercept of #DB before it writes DR6.  Returns the causes of the #DB, as in
 * DR6: the VMCB's, or if it has none, those that TF, DR7.GD and the breakpoints make likely.  Which
 * of several data breakpoints was hit cannot be told.
 */
uint64_t quirk_debug_causes(struct vcpu *v);

/*
 * Bochs 2.7: leaves an earlier event in EXITINTINFO if that was a software interrupt.  QEMU 7.2
 * (TCG): records interrupts as exceptions, and INTn likewise.  Returns EXITINTINFO as the manual
 * has it: the event whose delivery the exit interrupted; without HV_EVENT_VALID, no event.
 */
uint64_t quirk_exit_int_info(struct vcpu *v);

/*
 * Bochs 2.7 and QEMU 7.2 (TCG): write over the state-save area of a VMCB that VMRUN refuses.
 * quirk_keep_vmcb() makes a copy before an entry that is broken on purpose; quirk_put_back_vmcb()
 * copies it back for the checker.
 */
void quirk_keep_vmcb(struct vcpu *v);
void quirk_put_back_vmcb(struct vcpu *v);

#endif
