#include "vmm/svm/fetch.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "lib/string.h"

/* Instructions that are not remembered: read as the guest would read them, and decoded. */

void
svm_forget_code(struct vcpu *v)
{
	struct svm_vcpu *s = v->backend;

	s->code.tlb_gen = SVM_NO_CODE;
}

struct hv_code
svm_get_code(struct vcpu *v)
{
	const struct vmcb *b = svm_vmcb(v);

	v->gpr[REG_RSP] = b->rsp;
	return (struct hv_code){.cr3 = b->cr3, .mode = svm_guest_mode(b)};
}

/* Matches no code. */
static void
slot_clear(struct svm_insn *slot)
{
	slot->mask = 0;
	slot->bytes = 1;
}

void
svm_fetch_init(struct vcpu *v)
{
	struct svm_vcpu *s = v->backend;

	svm_forget_code(v);
	for (unsigned int i = 0; i < SVM_INSNS; i++)
		slot_clear(&s->insns[i]);
}

/* The kernel's address of the code at gva, up to its page's end; NULL where the guest could not
 * read. */
static const uint8_t *
code_at(struct vcpu *v, uint64_t gva)
{
	const uint8_t *code = svm_code_nearby(v, gva);
	struct svm_vcpu *s = v->backend;
	uint64_t offset = gva % PAGE_SIZE, tlb_gen = v->vm->tlb_gen, gpa;
	struct gmem_fault f;

	if (code)
		return code;
	if (gmem_translate(v, gva, VM_ACCESS_READ, &gpa, &f) < 0)
		return NULL;
	svm_forget_code(v);
	s->code.page = gphys_page(v->vm, gpa - offset);
	if (!s->code.page)
		return NULL;
	s->code.gva = gva - offset;
	s->code.cr3 = s->vmcb->cr3;
	s->code.tlb_gen = tlb_gen;
	return s->code.page + offset;
}

/* Decodes the instruction at the start of bytes[], of which n can be read. */
static int
decode_into(struct svm_insn *slot, const uint8_t bytes[VM_INSN_MAX], uint64_t n,
            enum insn_mode mode)
{
	int err;

	slot_clear(slot);
	err = insn_decode(&slot->insn, bytes, n, mode);
	if (err < 0)
		return err;
	slot->is_sys = insn_sys(&slot->insn, &slot->sys) == 0;
	if (slot->insn.len <= sizeof(slot->bytes)) {
		slot->mask = UINT64_MAX >> (64 - 8 * slot->insn.len);
		slot->bytes = *(const code_word_t *)bytes & slot->mask;
	}
	return 0;
}

/* The next page is read only if the instruction goes on there. */
const struct svm_insn *
svm_fetch_anew(struct vcpu *v, uint64_t gva, enum insn_mode mode)
{
	struct svm_insn *slot = svm_insn_slot(v, gva);
	const uint8_t *code = code_at(v, gva);
	uint64_t n = PAGE_SIZE - gva % PAGE_SIZE;
	uint8_t bytes[VM_INSN_MAX] = {0};
	struct gmem_fault f;
	int err;

	if (!code)
		return NULL;
	if (n > VM_INSN_MAX)
		n = VM_INSN_MAX;
	memcpy(bytes, code, n);
	err = decode_into(slot, bytes, n, mode);
	if (err == -E_AGAIN && n < VM_INSN_MAX &&
	    gmem_read(v, gva + n, bytes + n, VM_INSN_MAX - n, &f) == 0)
		err = decode_into(slot, bytes, VM_INSN_MAX, mode);
	return err < 0 ? NULL : slot;
}
