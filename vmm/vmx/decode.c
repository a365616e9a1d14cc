#include "vmm/vmx/quirks.h"

#include "inc/x86.h"

/* Decodes VMX's record of an exit into struct hv_exit: only what the handler of this kind needs. */

typedef void (*decoder_t)(struct vcpu *v, struct hv_exit *x);

static void
decode_nothing(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->qual = 0;
}

static void
decode_length(struct vcpu *v, struct hv_exit *x)
{
	x->qual = 0;
	x->len = (uint32_t)vmcs_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
}

static void
decode_qualification(struct vcpu *v, struct hv_exit *x)
{
	x->qual = vmcs_read(v, VMCS_EXIT_QUALIFICATION);
}

static void
decode_invlpg(struct vcpu *v, struct hv_exit *x)
{
	decode_length(v, x);
	decode_qualification(v, x);
}

enum { EVENT_FIELDS = 0xff | HV_EVENT_TYPE | HV_EVENT_HAS_ERROR };

/* The event that the processor recorded in `info` and error_field, ready to be injected again. */
static struct hv_event
event_of(struct vcpu *v, uint32_t info, enum vmcs_field error_field)
{
	uint32_t type = info & HV_EVENT_TYPE;
	struct hv_event ev = {.info = (quirk_event_info(v, info) & EVENT_FIELDS) | HV_EVENT_VALID};

	if (ev.info & HV_EVENT_HAS_ERROR)
		ev.error = (uint32_t)vmcs_read(v, error_field);
	/* A software event is injected with its instruction's length (SDM vol. 3, "Event
	 * Injection"). */
	if (type == HV_EVENT_SOFT_INTR || type == HV_EVENT_PRIV_SOFT ||
	    type == HV_EVENT_SOFT_EXCEPTION)
		ev.len = (uint32_t)vmcs_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
	return ev;
}

/* If the exit interrupted the delivery of an event, injects the event again. */
static void
requeue_event(struct vcpu *v)
{
	uint32_t info = (uint32_t)vmcs_read(v, VMCS_IDT_VECTORING_INFO);

	if (info & HV_EVENT_VALID)
		inject_event(v, event_of(v, info, VMCS_IDT_VECTORING_ERROR));
}

static void
decode_exception(struct vcpu *v, struct hv_exit *x)
{
	uint32_t info = (uint32_t)vmcs_read(v, VMCS_EXIT_INTR_INFO);

	requeue_event(v);
	x->intr.vector = info & 0xff;
	x->intr.nmi = (info & HV_EVENT_TYPE) == HV_EVENT_NMI;
	x->qual = vmcs_read(v, VMCS_EXIT_QUALIFICATION);
	if (x->intr.nmi) {
		quirk_unblock_nmi(v);
		return;
	}
	/* Delivering the exception ends the blocking.  With TF set, an entry with blocking would be
	 * refused, too. */
	if (x->intr.vector == X86_DB)
		vmx_unblock(v, BLOCKED_STI_OR_SS);
	x->intr.event = event_of(v, info, VMCS_EXIT_INTR_ERROR);
}

/* A refused VMLAUNCH leaves the VMCS not launched, but vmx_enter() has noted it as launched:
 * VMCLEAR makes it not launched in any case. */
static void
decode_refused(struct vcpu *v, struct hv_exit *x)
{
	vmcs_put(v);
	vmcs_load(v);
	decode_qualification(v, x);
}

static void
decode_interrupt(struct vcpu *v, struct hv_exit *x)
{
	x->qual = 0;
	x->intr.vector = vmcs_read(v, VMCS_EXIT_INTR_INFO) & 0xff;
	x->intr.nmi = false;
}

/* SDM vol. 3, "Exit Qualification for Control-Register Accesses". */
static void
decode_cr(struct vcpu *v, struct hv_exit *x)
{
	uint64_t q = vmcs_read(v, VMCS_EXIT_QUALIFICATION);

	decode_length(v, x);
	x->qual = q;
	x->cr.cr = BITS(q, 3, 0);
	x->cr.op = BITS(q, 5, 4) == 0   ? CR_WRITE
	           : BITS(q, 5, 4) == 1 ? CR_READ
	           : BITS(q, 5, 4) == 2 ? CR_CLTS
	                                : CR_LMSW;
	x->cr.reg = BITS(q, 11, 8);
	x->cr.lmsw = BITS(q, 31, 16);
	x->cr.memory = false;
	if (x->cr.reg == REG_RSP)
		v->guest.gpr[REG_RSP] = vmcs_read(v, VMCS_GUEST_RSP);
}

static void
decode_dr(struct vcpu *v, struct hv_exit *x)
{
	uint64_t q = vmcs_read(v, VMCS_EXIT_QUALIFICATION);

	decode_length(v, x);
	x->qual = q;
	x->dr.dr = BITS(q, 2, 0);
	x->dr.read = BITS(q, 4, 4);
	x->dr.reg = BITS(q, 11, 8);
	if (x->dr.reg == REG_RSP)
		v->guest.gpr[REG_RSP] = vmcs_read(v, VMCS_GUEST_RSP);
}

static void
decode_io(struct vcpu *v, struct hv_exit *x)
{
	uint64_t q = vmcs_read(v, VMCS_EXIT_QUALIFICATION);

	x->qual = q;
	x->len = (uint32_t)vmcs_read(v, VMCS_EXIT_INSTRUCTION_LENGTH);
	x->io.size = BITS(q, 2, 0) + 1;
	x->io.in = q & BIT(3);
	x->io.string = q & BIT(4);
	x->io.rep = q & BIT(5);
	x->io.port = BITS(q, 31, 16);
	if (x->io.string) {
		uint64_t info = vmcs_read(v, VMCS_EXIT_INSTRUCTION_INFO);

		x->io.addr_size = 2 << BITS(info, 9, 7);
		x->io.seg = BITS(info, 17, 15);
	}
}

static void
decode_ept_misconfig(struct vcpu *v, struct hv_exit *x)
{
	x->qual = vmcs_read(v, VMCS_GUEST_PHYSICAL_ADDRESS);
}

/* Bits 2:0 of the qualification of an EPT violation are the access. */
static void
decode_ept_violation(struct vcpu *v, struct hv_exit *x)
{
	x->qual = vmcs_read(v, VMCS_EXIT_QUALIFICATION);
	x->mem.gpa = vmcs_read(v, VMCS_GUEST_PHYSICAL_ADDRESS);
	x->mem.access = x->qual & 7;
	requeue_event(v);
}

/*
 * Bit 7 of the qualification says that the access had a linear address.  Bit 8 says that it was to
 * the page of that address, not to a page table on the way (SDM vol. 3, "EPT Violations").
 */
bool
vmx_mem_by_insn(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why)
{
	const uint64_t translated = BIT(7) | BIT(8);

	if (v->pending.event.info & HV_EVENT_VALID) /* by decode_ept_violation() */
		*why = VM_MEM_EVENT;
	else if ((x->qual & translated) != translated)
		*why = VM_MEM_TABLES;
	else if (x->mem.access & VM_ACCESS_EXEC)
		*why = VM_MEM_CODE;
	else
		return true;
	return false;
}

_Static_assert(VM_ACCESS_READ == 1 && VM_ACCESS_WRITE == 2 && VM_ACCESS_EXEC == 4,
               "the access bits are EPT's");

static const struct {
	enum hv_exit_kind kind;
	decoder_t decode;
} exits[] = {
#define VMX_EXIT(reason, kind, decoder) [reason] = {HV_EXIT_##kind, decode_##decoder},
#include "vmm/vmx/exits.def"
#undef VMX_EXIT
};

void
vmx_decode(struct vcpu *v, struct hv_exit *x)
{
	uint32_t reason = (uint32_t)vmcs_read(v, VMCS_EXIT_REASON);
	uint32_t basic = reason & 0xffff;

	x->raw = reason;
	x->rip = vmcs_read(v, VMCS_GUEST_RIP);
	if (basic < ARRAY_SIZE(exits) && exits[basic].decode) {
		x->kind = exits[basic].kind;
		exits[basic].decode(v, x);
	} else {
		x->kind = HV_EXIT_UNKNOWN;
		decode_qualification(v, x);
	}
}
