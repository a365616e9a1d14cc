#include "vmm/vmm.h"

#include "lib/printf.h"
#include "vmm/gmem.h"

/* Exits to the monitor that the vCPU cannot go on from: why, and where the guest is. */

/* Reads as many bytes of code at RIP as the guest's tables map; they are for a message. */
void
vcpu_where(struct vcpu *v)
{
	struct vm_run *run = v->run;
	struct gmem_fault f;
	struct vm_segment cs;
	uint32_t n = 0;

	hv->get_segment(v, SEG_CS, &cs);
	run->rip = hv->get_reg(v, HV_RIP);
	run->cs_base = cs.base;
	while (n < VM_INSN_MAX && gmem_read(v, cs.base + run->rip + n, &run->insn[n], 1, &f) == 0)
		n++;
	run->insn_len = n;
}

enum hv_action
vcpu_no_memory(struct vcpu *v, uint64_t gpa, uint32_t access, enum vm_mem_why why)
{
	v->run->exit = VM_EXIT_MEM;
	v->run->mem.gpa = gpa;
	v->run->mem.access = access;
	v->run->mem.why = why;
	vcpu_where(v);
	return HV_USER;
}

enum hv_action
vcpu_no_frame(struct vcpu *v, uint64_t gpa, uint32_t access)
{
	return vcpu_stop(v, VM_STOP_INTERNAL,
	                 "the monitor has no %smemory behind guest-physical address 0x%llx",
	                 access & VM_ACCESS_WRITE ? "writable " : "", (unsigned long long)gpa);
}

enum hv_action
vcpu_stop(struct vcpu *v, enum vm_stop why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->run->text, VM_STOP_TEXT, fmt, ap);
	va_end(ap);
	v->run->stop.why = why;
	v->run->stop.kind = v->acct.exit->kind;
	vcpu_where(v);
	return HV_STOP;
}

enum hv_action
exit_triple_fault(struct vcpu *v, struct hv_exit *x)
{
	(void)x;
	return vcpu_stop(v, VM_STOP_TRIPLE_FAULT, "triple fault");
}
