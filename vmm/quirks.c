#include "vmm/quirks.h"

#include "lib/insn/insn.h"
#include "vmm/fetch.h"
#include "vmm/vmm.h"

void
quirk_keep_blocking(struct vcpu *v)
{
	enum { STI = 0xfb };
	const struct hv_insn *before;

	if (!vcpu_requested(v, REQ_IRQ | REQ_HELD_IRQ) || !hv->irq_ready(v))
		return;
	before = fetch_insn(v, hv->get_reg(v, HV_RIP) - 1);
	if (before && before->insn.map == INSN_MAP_1BYTE && before->insn.opcode == STI)
		hv->set_reg(v, HV_BLOCKING, true);
}
