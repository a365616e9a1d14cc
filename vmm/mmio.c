#include "vmm/vmm.h"

#include "inc/x86.h"
#include "vmm/fetch.h"
#include "vmm/gmem.h"
#include "vmm/regs.h"
#include "vmm/slots.h"

/*
 * Device memory.  When an instruction accesses memory outside RAM, the monitor makes the access,
 * since it knows the devices.  RIP moves when the monitor runs the vCPU again.  An instruction that
 * reads and writes needs two accesses.  A string operation needs one or two for each element, and
 * can be interrupted between elements, as on the processor.
 */

static bool
is_ram(struct vcpu *v, uint64_t gpa)
{
	return vm_slot_find(v->vm, gpa) != NULL;
}

/* Does an operand of `width` bytes reach into the next page? */
static bool
crosses(uint64_t address, unsigned int width)
{
	return address % PAGE_SIZE + width > PAGE_SIZE;
}

/* Asks the monitor to read at gpa, or to write a value there, and notes what waits for that. */
static void
ask(struct vcpu *v, const struct hv_insn *i, uint64_t gpa, bool write, uint64_t value)
{
	struct vm_run *run = v->run;

	run->exit = VM_EXIT_MMIO;
	run->mmio.gpa = gpa;
	run->mmio.value = value;
	run->mmio.size = i->mem.width;
	run->mmio.write = write;
	v->pending.answer = PENDING_MMIO;
	v->pending.mmio.insn = i;
	v->pending.mmio.writing = write;
}

/* Shows the monitor the instruction. */
static void
where(struct vcpu *v, const struct hv_insn *i, const struct hv_exit *x)
{
	struct vm_run *run = v->run;

	run->rip = x->rip;
	run->cs_base = i->insn.mode == INSN_64 ? 0 : vcpu_cs_base(v);
	run->insn_len = i->count;
	__builtin_memcpy(run->insn, i->bytes, VM_INSN_MAX); /* four moves; memcpy would be a call */
}

static enum hv_action
refuse(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why why)
{
	return vcpu_no_memory(v, x->mem.gpa, x->mem.access, why);
}

/* Refuses an instruction that cannot access device memory.  i: NULL if it cannot be decoded. */
static enum hv_action
refuse_insn(struct vcpu *v, const struct hv_exit *x, const struct hv_insn *i)
{
	enum hv_action action = refuse(v, x, VM_MEM_INSN);

	if (i)
		v->run->insn_len = i->insn.len;
	return action;
}

/* Does its segment permit an operand of MOVS?  The processor exits at the first operand that it
 * touches, and has not checked the other one. */
static bool
operand_allowed(struct vcpu *v, const struct hv_insn *i, const struct insn_regs *regs,
                enum vm_seg segment, bool write)
{
	uint64_t gva = insn_mem_gva(&i->insn, &i->mem, regs, write);
	struct vm_segment seg;

	if (i->insn.mode == INSN_64)
		return true;
	hv->get_segment(v, segment, &seg);
	return segment_permits(v, &seg, write) &&
	       segment_holds(&seg, (uint32_t)(gva - regs->base[segment]), i->mem.width);
}

/* Injects the exception that the segments of MOVS cause.  Returns false if they cause none. */
static bool
segment_fault(struct vcpu *v, const struct hv_insn *i, const struct insn_regs *regs)
{
	enum vm_seg source = i->insn.segment == SEG_COUNT ? SEG_DS : i->insn.segment;

	if (!operand_allowed(v, i, regs, source, false))
		inject_exception_error(v, source == SEG_SS ? X86_SS : X86_GP, 0);
	else if (!operand_allowed(v, i, regs, SEG_ES, true))
		inject_exception_error(v, X86_GP, 0);
	else
		return false;
	return true;
}

/*
 * MOVS has two operands, and one or both of them are in device memory.  All faults come before a
 * device sees an access.
 */
static SLOW_PATH enum hv_action
movs(struct vcpu *v, const struct hv_exit *x, const struct hv_insn *i, const struct insn_regs *regs)
{
	uint64_t from = insn_mem_gva(&i->insn, &i->mem, regs, false), from_gpa, to, value = 0;
	unsigned int width = i->mem.width;
	struct gmem_fault f;

	to = insn_mem_gva(&i->insn, &i->mem, regs, true);
	if (segment_fault(v, i, regs))
		return HV_RESUME;
	if (gmem_translate(v, from, VM_ACCESS_READ, &from_gpa, &f) < 0)
		return inject_fault(v, &f, VM_ACCESS_READ);
	if (gmem_translate(v, to, VM_ACCESS_WRITE, &v->pending.mmio.to_gpa, &f) < 0 ||
	    gmem_translate(v, to + width - 1, VM_ACCESS_WRITE, &v->pending.mmio.last_gpa, &f) < 0)
		return inject_fault(v, &f, VM_ACCESS_WRITE);
	if (!is_ram(v, from_gpa)) {
		if (crosses(from, width) ||
		    (crosses(to, width) &&
		     !(is_ram(v, v->pending.mmio.to_gpa) && is_ram(v, v->pending.mmio.last_gpa))))
			return refuse(v, x, VM_MEM_CROSSES);
		ask(v, i, from_gpa, false, 0);
		return HV_USER;
	}
	if (is_ram(v, v->pending.mmio.to_gpa) || crosses(to, width))
		return refuse(v, x, VM_MEM_CROSSES);
	if (gmem_read(v, from, &value, width, &f) < 0)
		return inject_fault(v, &f, VM_ACCESS_READ);
	ask(v, i, v->pending.mmio.to_gpa, true, value);
	return HV_USER;
}

/* An instruction with one operand in memory.  Its gva only serves to check that the exit is about
 * the operand, and that the operand lies in one page. */
static enum hv_action
one_operand(struct vcpu *v, const struct hv_exit *x, const struct hv_insn *i,
            const struct insn_regs *regs)
{
	bool read = i->mem.access & VM_ACCESS_READ;
	uint64_t gva = insn_mem_gva(&i->insn, &i->mem, regs, !read);

	if ((gva ^ x->mem.gpa) % PAGE_SIZE || crosses(gva, i->mem.width))
		return refuse(v, x, VM_MEM_CROSSES);
	if (read) {
		v->pending.mmio.to_gpa = x->mem.gpa;
		ask(v, i, x->mem.gpa, false, 0);
	} else {
		ask(v, i, x->mem.gpa, true, insn_source(&i->mem, v->guest.gpr));
	}
	return HV_USER;
}

enum hv_action
mmio_access(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i;
	struct insn_regs regs;
	enum vm_mem_why why;

	/* For a page fault, shadow_fault() has checked the same. */
	if (x->kind == HV_EXIT_EPT_VIOLATION && !hv->mem_by_insn(v, x, &why))
		return refuse(v, x, why);
	i = fetch_insn(v, x->rip);
	if (!i || !i->on_memory)
		return refuse_insn(v, x, i);
	x->len = i->insn.len;
	vcpu_insn_regs(v, &i->insn, &regs);
	where(v, i, x);
	if (i->mem.op == INSN_MOVS)
		return movs(v, x, i, &regs);
	return one_operand(v, x, i, &regs);
}

/* Ends an element of a string operation.  RIP moves only after the last element.  After each
 * element, hv->skip() ends blocking and makes the trap of RFLAGS.TF. */
static SLOW_PATH void
step(struct vcpu *v, const struct hv_insn *i, struct hv_exit *x)
{
	if (!insn_step(&i->insn, &i->mem, v->guest.gpr, hv->get_reg(v, HV_RFLAGS)))
		x->len = 0;
}

/* All accesses are made: the instruction ends, or goes on with its next element. */
static enum hv_action
retire(struct vcpu *v, const struct hv_insn *i)
{
	if (i->mem.op >= INSN_MOVS)
		step(v, i, v->acct.exit);
	return HV_SKIP;
}

/* Goes on after the monitor has read the operand: changes registers and flags, and asks the monitor
 * to write the result, if the instruction does. */
static SLOW_PATH enum hv_action
finish_read(struct vcpu *v, const struct hv_insn *i)
{
	uint64_t value = v->run->mmio.value;
	uint64_t before = hv->get_reg(v, HV_RFLAGS), rflags = before;

	if (i->mem.width < 8)
		value &= BIT(8 * i->mem.width) - 1;
	value = insn_execute(&i->mem, value, v->guest.gpr, &rflags);
	if (rflags != before)
		hv->set_reg(v, HV_RFLAGS, rflags);
	if (i->mem.to_reg && i->mem.reg == REG_RSP)
		hv->set_reg(v, HV_RSP, v->guest.gpr[REG_RSP]);
	if (!(i->mem.access & VM_ACCESS_WRITE))
		return retire(v, i);
	if (is_ram(v, v->pending.mmio.to_gpa)) {
		/* Writes where movs() found RAM, whatever other vCPUs did to the page tables. */
		gphys_write_across(v->vm, v->pending.mmio.to_gpa, v->pending.mmio.last_gpa, &value,
		                   i->mem.width);
		return retire(v, i);
	}
	ask(v, i, v->pending.mmio.to_gpa, true, value);
	return HV_USER;
}

enum hv_action
mmio_complete(struct vcpu *v)
{
	const struct hv_insn *i = v->pending.mmio.insn;

	return v->pending.mmio.writing ? retire(v, i) : finish_read(v, i);
}
