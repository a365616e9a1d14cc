#include "vmm/svm/fetch.h"

#include "inc/x86.h"
#include "vmm/regs.h"

/*
 * Operands of an instruction that exited.  The processor records them only with decode assists, so
 * they are read from the instruction itself.
 */

/* Finds the gva of a memory operand.  v->guest.gpr[REG_RSP] is right. */
static int
operand_address(struct vcpu *v, const struct hv_insn *i, uint64_t *gva)
{
	struct insn_regs regs;

	vcpu_insn_regs(v, &i->insn, &regs);
	return insn_address(&i->insn, &regs, gva);
}

/* Reads the operand of SMSW or LMSW.  -E_INVAL: it has no address. */
static int
msw_operand(struct vcpu *v, const struct hv_insn *i, struct hv_exit *x)
{
	x->cr.width = i->sys.width;
	x->cr.memory = i->sys.memory;
	if (i->sys.memory)
		return operand_address(v, i, &x->cr.gva);
	x->cr.lmsw = (uint16_t)v->guest.gpr[i->sys.reg];
	return 0;
}

/* Returns the instruction at RIP, which accesses a control or debug register; NULL if it does not.
 * The other operand may be RSP. */
static const struct hv_insn *
fetch_access(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	const struct hv_insn *i = svm_fetch(v);

	if (!i || !i->is_sys)
		return NULL;
	x->len = i->insn.len;
	x->qual = b->exit_info1;
	v->guest.gpr[REG_RSP] = b->rsp;
	return i;
}

bool
svm_cr_operands(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i = fetch_access(v, x);

	if (!i)
		return false;
	x->cr.reg = i->sys.reg;
	switch (i->sys.op) {
	case INSN_MOV_TO_CR:
		x->cr.op = CR_WRITE;
		return true;
	case INSN_MOV_FROM_CR:
		x->cr.op = CR_READ;
		return true;
	case INSN_CLTS:
		x->cr.op = CR_CLTS;
		return true;
	case INSN_SMSW:
		x->cr.op = CR_SMSW;
		return msw_operand(v, i, x) == 0;
	case INSN_LMSW:
		x->cr.op = CR_LMSW;
		return msw_operand(v, i, x) == 0;
	}
	return false;
}

bool
svm_dr_operands(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i = fetch_access(v, x);

	if (!i)
		return false;
	x->dr.reg = i->sys.reg;
	x->dr.read = i->sys.op == INSN_MOV_FROM_DR;
	return true;
}

bool
svm_invlpg_operand(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i = svm_fetch(v);

	v->guest.gpr[REG_RSP] = svm_vmcb(v)->rsp;
	if (!i || operand_address(v, i, &x->qual) < 0)
		return false;
	x->len = i->insn.len;
	return true;
}

/* QEMU 7.2 (TCG) does not record the address size either. */
bool
svm_string_operand(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i = svm_fetch(v);

	if (!i || !i->is_sys)
		return false;
	x->io.seg = i->sys.segment;
	x->io.addr_size = i->insn.address_size;
	return true;
}
