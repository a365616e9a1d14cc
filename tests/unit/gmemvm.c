#include "tests/unit/gmemvm.h"

#include <string.h>

#include "inc/x86.h"
#include "tests/unit/unit.h"
#include "vmm/shadow/shadow.h"

#define HVA 0x7000000000

uint8_t ram[RAM] __attribute__((aligned(PAGE_SIZE)));
uint8_t moved[RAM] __attribute__((aligned(PAGE_SIZE)));
struct vm vm = {.slots = {{0, RAM, HVA}}, .slot_count = 1};
struct vcpu vcpu = {.vm = &vm};
struct gmem_vm_regs regs;
struct race race;
struct move move;

int
aspace_frame(struct aspace *as, uint64_t va, int access, struct frame *out)
{
	(void)as;
	out->pa = (uint64_t) &
	          (move.done ? moved : ram)[ROUND_DOWN(va - HVA, PAGE_SIZE)] - DIRECT_BASE;
	out->size = PAGE_SIZE;
	out->writable = true;
	if (race.left && access == ACCESS_WRITE) {
		*race.entry = race.value | (race.left % 2 ? 0 : IGNORED);
		race.left--;
	}
	if (move.left) {
		vm.tlb_gen++;
		move.left--;
	}
	return 0;
}

void
shadow_written(struct vm *m, uint64_t gpa)
{
	if (m->paging == VM_PAGING_NESTED)
		fail_msg("VM %u, which has no shadows, is told of a write to %#lx", m->id, gpa);
	move.done = move.pending;
}

unsigned int
cpuid_phys_bits(void)
{
	return 39;
}

static uint64_t
get_reg(struct vcpu *v, enum hv_reg r)
{
	(void)v;
	switch (r) {
	case HV_CR0:
		return regs.cr0;
	case HV_CR3:
		return regs.cr3;
	case HV_CR4:
		return regs.cr4;
	case HV_EFER:
		return regs.efer;
	default:
		fail_msg("register %d is not for paging", r);
		return 0;
	}
}

unsigned int
vcpu_cpl(struct vcpu *v)
{
	(void)v;
	return regs.cpl;
}

static struct hv_code
get_code(struct vcpu *v)
{
	(void)v;
	return (struct hv_code){.cr3 = regs.cr3, .mode = regs.mode};
}

uint64_t
vcpu_cs_base(struct vcpu *v)
{
	(void)v;
	assert_int_not_equal(regs.mode, INSN_64);
	return 0;
}

static const struct hv_ops ops = {.get_reg = get_reg, .get_code = get_code};
const struct hv_ops *hv = &ops;

int
gmem_vm_setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	memset(&race, 0, sizeof(race));
	memset(&move, 0, sizeof(move));
	vm.paging = VM_PAGING_NESTED;
	regs.mode = INSN_64;
	gmem_forget_code(&vcpu);
	memset(vcpu.fetch.insns, 0, sizeof(vcpu.fetch.insns));
	fetch_init(&vcpu);
	regs.cr3 = TABLES;
	regs.cpl = 0;
	return 0;
}

void
long_mode(void)
{
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = CR4_PAE;
	regs.efer = EFER_LME | EFER_LMA | EFER_NXE;
}
