#include "vmm/svm/quirks.h"

#include "lib/string.h"
#include "vmm/svm/fetch.h"

/* Has the value no reserved bits, for CR3 in long mode and without PCIDs? */
static bool
is_cr3(uint64_t value)
{
	return !(value & (~PTE_ADDR & ~(uint64_t)0xfff)) &&
	       !((value & PTE_ADDR) >> cpuid_phys_bits());
}

/* After an entry that injected an event the answer is false, or this could go on for ever. */
bool
quirk_bad_cr3_write(struct vcpu *v)
{
	const struct svm_vcpu *s = v->backend;
	const struct hv_insn *i;

	if (s->injected & HV_EVENT_VALID)
		return false;
	i = svm_fetch(v);
	if (!i || !i->is_sys || i->sys.op != INSN_MOV_TO_CR || i->sys.number != 3 ||
	    is_cr3(v->guest.gpr[i->sys.reg]))
		return false;
	s->vmcb->exit_code = SVM_EXIT_CR3_WRITE;
	return true;
}

static bool
at_mov_dr(struct vcpu *v)
{
	const struct hv_insn *i = svm_fetch(v);

	return i && i->is_sys && (i->sys.op == INSN_MOV_TO_DR || i->sys.op == INSN_MOV_FROM_DR);
}

uint64_t
quirk_debug_causes(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);
	uint64_t causes = b->dr6 & DR6_CAUSE;

	if (causes)
		return causes;
	if (b->rflags & RFLAGS_TF)
		return DR6_BS;
	if ((b->dr7 & DR7_GD) && at_mov_dr(v))
		return DR6_BD;
	for (unsigned int i = 0; i < 4; i++) {
		bool enabled = BITS(b->dr7, 2 * i + 1, 2 * i);
		bool data = BITS(b->dr7, 4 * i + 17, 4 * i + 16);

		if (enabled && (data || v->guest.dr[i] == b->rip))
			causes |= BIT(i);
	}
	return causes;
}

static bool
at_software_interrupt(struct vcpu *v)
{
	enum { INT3 = 0xcc, INT_N = 0xcd, INTO = 0xce };
	const struct hv_insn *i = svm_fetch(v);

	return i && i->insn.map == INSN_MAP_1BYTE && i->insn.opcode >= INT3 &&
	       i->insn.opcode <= INTO;
}

/*
 * Interrupts reach the guest by injection only, so an interrupt that was not injected is not one.
 * A recorded exception at INTn, INT3 or INTO may be the software interrupt itself.  The instruction
 * runs again, which is right also if it did raise an exception.
 */
uint64_t
quirk_exit_int_info(struct vcpu *v)
{
	const struct svm_vcpu *s = v->backend;
	uint64_t info = s->vmcb->exit_int_info;
	uint32_t vector = info & 0xff;

	if ((s->injected & HV_EVENT_VALID) && (s->injected & 0xff) == vector)
		return s->injected;
	switch (info & HV_EVENT_TYPE) {
	case HV_EVENT_INTR:
	case HV_EVENT_NMI:
		return 0;
	case HV_EVENT_EXCEPTION:
		return vector != X86_DB && at_software_interrupt(v) ? 0 : info;
	}
	return info;
}

void
quirk_keep_vmcb(struct vcpu *v)
{
	struct svm_vcpu *s = v->backend;

	memcpy(s->copy, s->vmcb, sizeof(s->copy));
}

void
quirk_put_back_vmcb(struct vcpu *v)
{
	struct svm_vcpu *s = v->backend;

	memcpy(s->vmcb, s->copy, sizeof(s->copy));
	v->guest.gpr[REG_RAX] = s->vmcb->rax;
}
