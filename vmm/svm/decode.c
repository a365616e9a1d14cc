#include "vmm/svm/fetch.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"
#include "vmm/svm/quirks.h"
#include "vmm/fetch.h"
#include "vmm/regs.h"

/*
 * Decodes SVM's record of an exit into struct hv_exit: only what the handler of this kind needs.
 * Without NRIPS the processor does not record the next RIP, so it is found by the instruction.
 */

typedef void (*decoder_t)(struct vcpu *v, struct hv_exit *x);

static void
decode_nothing(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->qual = 0;
}

static void
decode_info(struct vcpu *v, struct hv_exit *x)
{
	x->qual = svm_vmcb(v)->exit_info1;
}

/* For an exit whose instruction cannot be read, or is not the one that the exit reports. */
static void
decode_failed(struct vcpu *v, struct hv_exit *x)
{
	x->kind = HV_EXIT_UNKNOWN;
	decode_info(v, x);
}

/* Stands apart from decode_length(), whose common case then needs no stack. */
static SLOW_PATH void
length_anew(struct vcpu *v, struct hv_exit *x)
{
	const struct hv_insn *i = svm_fetch(v);

	if (i)
		x->len = i->insn.len;
	else
		decode_failed(v, x);
}

static void
decode_length(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	const struct hv_insn *i;

	if (svm_features & SVM_FEATURE_NRIPS) {
		x->len = (uint32_t)(b->next_rip - b->rip);
		return;
	}
	i = svm_fetch_known(v);
	if (i)
		x->len = i->insn.len;
	else
		length_anew(v, x);
}

static void
decode_exception(struct vcpu *v, struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);
	uint32_t vector = (uint32_t)b->exit_code & 0x1f;

	x->intr.nmi = false;
	x->intr.vector = vector;
	x->intr.event = (struct hv_event){.info = HV_EVENT_VALID | HV_EVENT_EXCEPTION | vector};
	if (vector == X86_PF) {
		quirk_note_blocking(v->backend);
		x->intr.event.error = (uint32_t)b->exit_info1;
		x->qual = b->exit_info2;
		return;
	}
	if (vector == X86_AC) {
		x->intr.event.info |= HV_EVENT_HAS_ERROR;
		x->intr.event.error = (uint32_t)b->exit_info1;
	}
	/* The VMCB's DR6 only collects causes; the guest's own DR6 is in v->guest. */
	x->qual = quirk_debug_causes(v);
	b->dr6 = DR6_FIXED;
}

static void
decode_interrupt(struct vcpu *v, struct hv_exit *x)
{
	quirk_restore_blocking(v->backend);
	x->intr.nmi = false;
}

static void
decode_nmi(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->intr.nmi = true;
}

static void
decode_cr(struct vcpu *v, struct hv_exit *x)
{
	x->cr.cr = svm_vmcb(v)->exit_code & 0xf;
	if (x->cr.cr == 0)
		quirk_settle_lma(svm_vmcb(v));
	if (!svm_cr_operands(v, x))
		decode_failed(v, x);
}

static void
decode_dr(struct vcpu *v, struct hv_exit *x)
{
	x->dr.dr = svm_vmcb(v)->exit_code & 0xf;
	if (!svm_dr_operands(v, x))
		decode_failed(v, x);
}

static void
decode_invlpg(struct vcpu *v, struct hv_exit *x)
{
	if (!svm_invlpg_operand(v, x))
		decode_failed(v, x);
}

/* APM vol. 2, "IOIO Intercept Information".  EXITINFO2 is the next RIP. */
static void
decode_io(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	uint64_t info = b->exit_info1;

	x->len = (uint32_t)(b->exit_info2 - b->rip);
	x->qual = info;
	x->io.in = BITS(info, 0, 0);
	x->io.string = BITS(info, 2, 2);
	x->io.rep = BITS(info, 3, 3);
	x->io.size = BITS(info, 6, 4);
	x->io.port = BITS(info, 31, 16);
	if (x->io.string && !svm_string_operand(v, x))
		decode_failed(v, x);
}

static void
decode_msr(struct vcpu *v, struct hv_exit *x)
{
	if (svm_vmcb(v)->exit_info1 & 1)
		x->kind = HV_EXIT_WRMSR;
	decode_length(v, x);
}

/* EXITINFO1 of a nested page fault is a page-fault error code. */
static void
decode_npf(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);

	quirk_note_blocking(v->backend);
	x->qual = b->exit_info1;
	x->mem.gpa = b->exit_info2;
	x->mem.access = x->qual & PF_W   ? VM_ACCESS_WRITE
	                : x->qual & PF_I ? VM_ACCESS_EXEC
	                                 : VM_ACCESS_READ;
}

/*
 * Bit 32 of EXITINFO1 says that the access was to the page of the instruction's address.  Otherwise
 * it was to a page table on the way (APM vol. 2, "Nested versus Guest Page Faults, Fault
 * Ordering").
 */
bool
svm_mem_by_insn(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why)
{
	if (svm_vmcb(v)->exit_int_info & HV_EVENT_VALID)
		*why = VM_MEM_EVENT;
	else if (!(x->qual & BIT(32)))
		*why = VM_MEM_TABLES;
	else if (x->mem.access & VM_ACCESS_EXEC)
		*why = VM_MEM_CODE;
	else
		return true;
	return false;
}

/*
 * If the exit interrupted the delivery of an event, injects the event again (APM vol. 2,
 * "EXITINTINFO Pseudo-Code").  A software interrupt is not injected: RIP is still at its
 * instruction, which runs again.
 */
static void
requeue_event(struct vcpu *v)
{
	const uint32_t fields = HV_EVENT_VALID | HV_EVENT_TYPE | HV_EVENT_HAS_ERROR | 0xff;
	uint64_t info = quirk_exit_int_info(v);

	if ((info & HV_EVENT_VALID) && (info & HV_EVENT_TYPE) != HV_EVENT_SOFT_INTR)
		inject_event(v, (struct hv_event){.info = (uint32_t)info & fields,
		                                  .error = (uint32_t)(info >> 32)});
}

static const struct {
	uint32_t first, last;
	enum hv_exit_kind kind;
	decoder_t decode;
} exits[] = {
        {UINT32_MAX, UINT32_MAX, HV_EXIT_UNKNOWN, decode_info}, /* for codes without a row */
#define SVM_EXIT(first, last, kind, decoder) {first, last, HV_EXIT_##kind, decode_##decoder},
#include "vmm/svm/exits.def"
#undef SVM_EXIT
};

enum { EXIT_CODES = 0x90, CODE_NPF = 0x400 };
static uint8_t row_of[EXIT_CODES]; /* index in exits[] */

void
svm_decode_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(exits); i++)
		for (uint32_t c = exits[i].first; c <= exits[i].last && c < EXIT_CODES; c++)
			row_of[c] = (uint8_t)i;
}

static unsigned int
row_find(uint64_t code)
{
	if (code == CODE_NPF)
		return ARRAY_SIZE(exits) - 1;
	return code < EXIT_CODES ? row_of[code] : 0;
}

static inline void
decode(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	unsigned int row = row_find(b->exit_code);

	x->raw = (uint32_t)b->exit_code;
	x->rip = b->rip;
	x->qual = 0;
	x->kind = exits[row].kind;
	exits[row].decode(v, x);
}

/* Stands apart from svm_decode(), which then needs no stack for other exits. */
static SLOW_PATH void
decode_interrupted(struct vcpu *v, struct hv_exit *x)
{
	requeue_event(v);
	decode(v, x);
}

void
svm_decode(struct vcpu *v, struct hv_exit *x)
{
	if (svm_vmcb(v)->exit_int_info & HV_EVENT_VALID)
		decode_interrupted(v, x);
	else
		decode(v, x);
}
