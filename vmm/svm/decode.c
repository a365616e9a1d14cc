#include "vmm/svm/svm.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/insn.h"
#include "lib/string.h"

/*
 * SVM's record of an exit -> struct hv_exit: only what this kind's handler needs.
 * What the processor does not record (the next RIP without NRIPS, operands without
 * decode assists) is read from the instruction itself.
 */

/* -E_FAULT: the exit cannot be understood; it becomes HV_EXIT_UNKNOWN. */
typedef int (*decoder_t)(struct vcpu *v, struct hv_exit *x);

static enum insn_mode
guest_mode(const struct vmcb *b)
{
	enum { ATTRIB_L = 0x200, ATTRIB_DB = 0x400 };

	if ((b->efer & EFER_LMA) && (b->cs.attrib & ATTRIB_L))
		return INSN_64;
	return (b->cr0 & CR0_PE) && !(b->rflags & RFLAGS_VM) && (b->cs.attrib & ATTRIB_DB)
	               ? INSN_32
	               : INSN_16;
}

/*
 * The bytes at gva in their page, *n of them; NULL where the guest could not read.  The page
 * of the last time is kept, for exits come from the same code again and again.  A guest that
 * maps other code there without a new CR3 is not noticed: see docs/TRICKS.md.
 */
static const uint8_t *
code_at(struct vcpu *v, uint64_t gva, uint64_t *n)
{
	struct svm_vcpu *s = v->backend;
	uint64_t offset = gva % PAGE_SIZE, gpa;
	struct gmem_fault f;

	*n = PAGE_SIZE - offset;
	if (s->code.page && s->code.gva == gva - offset && s->code.cr3 == s->vmcb->cr3 &&
	    s->code.cr0 == s->vmcb->cr0 && s->code.tlb_gen == v->vm->tlb_gen)
		return s->code.page + offset;
	if (gmem_translate(v, gva, VM_ACCESS_READ, &gpa, &f) < 0)
		return NULL;
	s->code.page = gphys_page(v->vm, gpa - offset);
	s->code.gva = gva - offset;
	s->code.cr3 = s->vmcb->cr3;
	s->code.cr0 = s->vmcb->cr0;
	s->code.tlb_gen = v->vm->tlb_gen;
	return s->code.page ? s->code.page + offset : NULL;
}

static uint64_t
rip_gva(const struct vmcb *b)
{
	return guest_mode(b) == INSN_64 ? b->rip : b->cs.base + b->rip;
}

/* The instruction at RIP; the next page is read only if it goes on there. */
static int
fetch(struct vcpu *v, struct insn *insn)
{
	const struct vmcb *b = svm_vmcb(v);
	uint64_t gva = rip_gva(b), n;
	const uint8_t *code = code_at(v, gva, &n);
	uint8_t bytes[VM_INSN_MAX];
	struct gmem_fault f;
	int err;

	if (!code)
		return -E_FAULT;
	if (n > VM_INSN_MAX)
		n = VM_INSN_MAX;
	memcpy(bytes, code, n);
	err = insn_decode(insn, bytes, n, guest_mode(b));
	if (err == -E_AGAIN && n < VM_INSN_MAX &&
	    gmem_read(v, gva + n, bytes + n, VM_INSN_MAX - n, &f) == 0)
		err = insn_decode(insn, bytes, VM_INSN_MAX, guest_mode(b));
	return err < 0 ? -E_FAULT : 0;
}

/*
 * The length of the instruction at RIP if it is one of those that exit most, without a
 * prefix; or 0: ask the decoder.
 */
static uint32_t
plain_length(struct vcpu *v)
{
	enum { HLT = 0xf4, TWO_BYTES = 0x0f, MAP_01 = 0x01, VMMCALL = 0xd9, XSETBV = 0xd1 };
	enum { INVD = 0x08, WBINVD = 0x09, WRMSR = 0x30, RDMSR = 0x32, CPUID = 0xa2 };
	uint64_t n;
	const uint8_t *code = code_at(v, rip_gva(svm_vmcb(v)), &n);

	if (!code || n < 3)
		return 0;
	if (code[0] == HLT)
		return 1;
	if (code[0] != TWO_BYTES)
		return 0;
	switch (code[1]) {
	case INVD:
	case WBINVD:
	case WRMSR:
	case RDMSR:
	case CPUID:
		return 2;
	case MAP_01:
		return code[2] == VMMCALL || code[2] == XSETBV ? 3 : 0;
	}
	return 0;
}

static int
decode_nothing(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->qual = 0;
	return 0;
}

static int
decode_info(struct vcpu *v, struct hv_exit *x)
{
	x->qual = svm_vmcb(v)->exit_info1;
	return 0;
}

static int
decode_length(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	struct insn insn;

	if (svm_features & SVM_FEATURE_NRIPS) {
		x->len = (uint32_t)(b->next_rip - b->rip);
		return 0;
	}
	x->len = plain_length(v);
	if (x->len)
		return 0;
	if (fetch(v, &insn) < 0)
		return -E_FAULT;
	x->len = insn.len;
	return 0;
}

/*
 * Why #DB came: the processor has written DR6.  Bochs has not, so there it is found from
 * TF and the breakpoints; which of several data breakpoints it was cannot be told.
 */
static uint64_t
debug_causes(const struct vcpu *v, const struct vmcb *b)
{
	uint64_t causes = b->dr6 & DR6_CAUSE;

	if (causes)
		return causes;
	if (b->rflags & RFLAGS_TF)
		return DR6_BS;
	for (unsigned int i = 0; i < 4; i++) {
		bool enabled = BITS(b->dr7, 2 * i + 1, 2 * i);
		bool data = BITS(b->dr7, 4 * i + 17, 4 * i + 16);

		if (enabled && (data || v->dr[i] == b->rip))
			causes |= BIT(i);
	}
	return causes;
}

static int
decode_exception(struct vcpu *v, struct hv_exit *x)
{
	struct vmcb *b = svm_vmcb(v);
	uint32_t vector = (uint32_t)b->exit_code & 0x1f;

	x->intr.nmi = false;
	x->intr.vector = vector;
	x->intr.event = (struct hv_event){.info = HV_EVENT_VALID | HV_EVENT_EXCEPTION | vector};
	if (vector == X86_AC) {
		x->intr.event.info |= HV_EVENT_HAS_ERROR;
		x->intr.event.error = (uint32_t)b->exit_info1;
	}
	/* From here on it counts from nothing again: the guest's own DR6 is the vCPU's. */
	x->qual = debug_causes(v, b);
	b->dr6 = DR6_FIXED;
	return 0;
}

static int
decode_interrupt(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->intr.nmi = false;
	return 0;
}

static int
decode_nmi(struct vcpu *v, struct hv_exit *x)
{
	(void)v;
	x->intr.nmi = true;
	return 0;
}

/* LMSW takes its operand from memory, too. */
static int
lmsw_operand(struct vcpu *v, const struct insn *insn, const struct insn_sys *sys, uint16_t *value)
{
	struct gmem_fault f;
	struct vm_regs regs;
	uint64_t gva;

	if (!sys->memory) {
		*value = (uint16_t)v->gpr[sys->reg];
		return 0;
	}
	svm_get_regs(v, &regs);
	for (unsigned int i = 0; i < REG_COUNT; i++)
		if (i != REG_RSP)
			regs.gpr[i] = v->gpr[i];
	if (insn_address(insn, &regs, &gva) < 0)
		return -E_FAULT;
	return gmem_read(v, gva, value, sizeof(*value), &f);
}

/* An access to a control or debug register, which may be by RSP. */
static int
fetch_access(struct vcpu *v, struct hv_exit *x, struct insn *insn, struct insn_sys *sys)
{
	const struct vmcb *b = svm_vmcb(v);

	if (fetch(v, insn) < 0 || insn_sys(insn, sys) < 0)
		return -E_FAULT;
	x->len = insn->len;
	x->qual = b->exit_info1;
	v->gpr[REG_RSP] = b->rsp;
	return 0;
}

static int
decode_cr(struct vcpu *v, struct hv_exit *x)
{
	struct insn_sys sys;
	struct insn insn;

	if (fetch_access(v, x, &insn, &sys) < 0)
		return -E_FAULT;
	x->cr.cr = svm_vmcb(v)->exit_code & 0xf;
	x->cr.reg = sys.reg;
	switch (sys.op) {
	case INSN_MOV_TO_CR:
		x->cr.op = CR_WRITE;
		return 0;
	case INSN_MOV_FROM_CR:
		x->cr.op = CR_READ;
		return 0;
	case INSN_CLTS:
		x->cr.op = CR_CLTS;
		return 0;
	case INSN_LMSW:
		x->cr.op = CR_LMSW;
		return lmsw_operand(v, &insn, &sys, &x->cr.lmsw);
	}
	return -E_FAULT;
}

static int
decode_dr(struct vcpu *v, struct hv_exit *x)
{
	struct insn_sys sys;
	struct insn insn;

	if (fetch_access(v, x, &insn, &sys) < 0)
		return -E_FAULT;
	x->dr.dr = svm_vmcb(v)->exit_code & 0xf;
	x->dr.reg = sys.reg;
	x->dr.read = sys.op == INSN_MOV_FROM_DR;
	return 0;
}

/* EXITINFO1 of IOIO (APM vol. 2, "IOIO Intercept Information"); EXITINFO2 is the next RIP. */
static int
decode_io(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	uint64_t info = b->exit_info1;
	struct insn_sys sys;
	struct insn insn;

	x->len = (uint32_t)(b->exit_info2 - b->rip);
	x->qual = info;
	x->io.in = BITS(info, 0, 0);
	x->io.string = BITS(info, 2, 2);
	x->io.rep = BITS(info, 3, 3);
	x->io.size = BITS(info, 6, 4);
	x->io.port = BITS(info, 31, 16);
	if (!x->io.string)
		return 0;
	/* The segment is recorded only with decode assists, and QEMU's TCG records no address size.
	 */
	if (fetch(v, &insn) < 0 || insn_sys(&insn, &sys) < 0)
		return -E_FAULT;
	x->io.seg = sys.segment;
	x->io.addr_size = insn.address_size;
	return 0;
}

static int
decode_msr(struct vcpu *v, struct hv_exit *x)
{
	if (svm_vmcb(v)->exit_info1 & 1)
		x->kind = HV_EXIT_WRMSR;
	return decode_length(v, x);
}

/* EXITINFO1 of a nested page fault is a page-fault error code. */
static int
decode_npf(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);

	x->qual = b->exit_info1;
	x->mem.gpa = b->exit_info2;
	x->mem.access = x->qual & PF_W   ? VM_ACCESS_WRITE
	                : x->qual & PF_I ? VM_ACCESS_EXEC
	                                 : VM_ACCESS_READ;
	return 0;
}

static bool
at_software_interrupt(struct vcpu *v)
{
	enum { INT3 = 0xcc, INT_N = 0xcd, INTO = 0xce };
	struct insn insn;

	return fetch(v, &insn) == 0 && insn.map == INSN_MAP_1BYTE && insn.opcode >= INT3 &&
	       insn.opcode <= INTO;
}

/*
 * An exit in the middle of an event's delivery: the event goes in again (APM vol. 2,
 * "EXITINTINFO Pseudo-Code").  Interrupts reach the guest by injection only, so one that
 * was not injected is none: the emulators leave something else here for INTn, and QEMU's
 * TCG records interrupts as exceptions.  INTn, INT3 and INTO, where RIP is still at the
 * instruction, run again, which is right also if the instruction did raise an exception.
 */
static void
requeue_event(struct vcpu *v)
{
	const struct svm_vcpu *s = v->backend;
	uint64_t info = s->vmcb->exit_int_info;
	uint32_t vector = info & 0xff;

	if ((s->injected & HV_EVENT_VALID) && (s->injected & 0xff) == vector) {
		inject_event(v, (struct hv_event){
		                        .info = (uint32_t)s->injected,
		                        .error = (uint32_t)(s->injected >> 32),
		                });
		return;
	}
	if ((info & HV_EVENT_TYPE) != HV_EVENT_EXCEPTION)
		return;
	if (vector != X86_DB && at_software_interrupt(v))
		return;
	inject_event(v, (struct hv_event){
	                        .info = HV_EVENT_VALID | HV_EVENT_EXCEPTION |
	                                (info & HV_EVENT_HAS_ERROR) | vector,
	                        .error = (uint32_t)(info >> 32),
	                });
}

static const struct {
	uint32_t first, last;
	enum hv_exit_kind kind;
	decoder_t decode;
} exits[] = {
#define SVM_EXIT(first, last, kind, decoder) {first, last, HV_EXIT_##kind, decode_##decoder},
#include "vmm/svm/exits.def"
#undef SVM_EXIT
};

enum { EXIT_CODES = 0x90, CODE_NPF = 0x400 };
static uint8_t row_of[EXIT_CODES]; /* 1 + index in exits[]; 0: none */

/* Bits that CR3 does not have in long mode, without PCIDs: reserved, or above the address width. */
static bool
cr3_valid(uint64_t value)
{
	return !(value & (~PTE_ADDR & ~(uint64_t)0xfff)) &&
	       !((value & PTE_ADDR) >> cpuid_phys_bits());
}

/*
 * QEMU's TCG ends guest mode with "invalid" when a guest loads such a CR3, where a
 * processor raises #GP.  Told apart from a refused entry by the instruction; an entry
 * with an event in it is not looked at, so that this cannot go on for ever.
 */
bool
svm_is_bad_cr3_write(struct vcpu *v)
{
	const struct svm_vcpu *s = v->backend;
	struct insn_sys sys;
	struct insn insn;

	if ((s->injected & HV_EVENT_VALID) || fetch(v, &insn) < 0 || insn_sys(&insn, &sys) < 0)
		return false;
	return sys.op == INSN_MOV_TO_CR && sys.number == 3 && !cr3_valid(v->gpr[sys.reg]);
}

void
svm_decode_init(void)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(exits); i++)
		for (uint32_t c = exits[i].first; c <= exits[i].last && c < EXIT_CODES; c++)
			row_of[c] = (uint8_t)(i + 1);
}

static unsigned int
row_find(uint64_t code)
{
	if (code == CODE_NPF)
		return ARRAY_SIZE(exits);
	return code < EXIT_CODES ? row_of[code] : 0;
}

void
svm_decode(struct vcpu *v, struct hv_exit *x)
{
	const struct vmcb *b = svm_vmcb(v);
	unsigned int row = row_find(b->exit_code);

	x->raw = (uint32_t)b->exit_code;
	x->rip = b->rip;
	x->qual = 0;
	if (b->exit_int_info & HV_EVENT_VALID)
		requeue_event(v);
	if (row) {
		x->kind = exits[row - 1].kind;
		if (exits[row - 1].decode(v, x) == 0)
			return;
	}
	x->kind = HV_EXIT_UNKNOWN;
	x->qual = b->exit_info1;
}
