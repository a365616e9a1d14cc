// SOURCES: vmm/gmem.c vmm/fetch.c lib/insn.c lib/insntable.c lib/insnmem.c lib/insnsys.c
// SOURCES: tests/unit/cpu.c
#include "tests/unit/unit.h"

#include <string.h>

#include "inc/error.h"
#include "inc/x86.h"
#include "tests/unit/cpu.h"
#include "vmm/shadow.h"
#include "vmm/vmm.h"

/*
 * The walk through a guest's page tables, in each paging mode, over a guest
 * whose RAM is one array.
 */

enum { RAM = 1 << 20, TABLES = 0x10000, DATA = 0x40000 };

static uint8_t ram[RAM] __attribute__((aligned(4096)));
static struct vm vm = {.slots = {{0, RAM, 0x7000000000}}, .slot_count = 1};
static struct vcpu vcpu = {.vm = &vm};
static struct {
	uint64_t cr0, cr3, cr4, efer;
	unsigned int cpl;
	enum insn_mode mode;
} regs;

/* What another vCPU writes when an accessed bit is about to be set, so many times. */
static struct {
	uint64_t *entry, value;
	unsigned int left;
} race;
enum { IGNORED = 1 << 9, FOR_EVER = 1000 * 1000 };

/* What another vCPU's monitor does when the lock is free: all frames move, and back. */
static struct {
	bool pending, done;
	unsigned int left;
} move;
static uint8_t moved[RAM] __attribute__((aligned(4096)));

int
aspace_frame(struct aspace *as, uint64_t va, int access, struct frame *out)
{
	(void)as;
	out->pa = (uint64_t) &
	          (move.done ? moved : ram)[ROUND_DOWN(va - 0x7000000000, PAGE_SIZE)] - DIRECT_BASE;
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

const struct vm_slot *
vm_slot_find(const struct vm *m, uint64_t gpa)
{
	return gpa < RAM ? &m->slots[0] : NULL;
}

unsigned int
cpuid_phys_bits(void)
{
	return 39;
}

static uint64_t
get_cr(struct vcpu *v, unsigned int cr)
{
	(void)v;
	return cr == 0 ? regs.cr0 : cr == 3 ? regs.cr3 : regs.cr4;
}

static uint64_t
get_efer(struct vcpu *v)
{
	(void)v;
	return regs.efer;
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

static const struct hv_ops ops = {.get_cr = get_cr, .get_efer = get_efer, .get_code = get_code};
const struct hv_ops *hv = &ops;

#define T(test) cmocka_unit_test_setup(test, setup)

static int
setup(void **state)
{
	(void)state;
	memset(ram, 0, sizeof(ram));
	memset(&race, 0, sizeof(race));
	memset(&move, 0, sizeof(move));
	vm.paging = VM_PAGING_NESTED;
	regs.mode = INSN_64;
	gmem_forget_code(&vcpu);
	memset(vcpu.insns, 0, sizeof(vcpu.insns));
	fetch_init(&vcpu);
	regs.cr3 = TABLES;
	regs.cpl = 0;
	return 0;
}

static void
long_mode(void)
{
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = CR4_PAE;
	regs.efer = EFER_LME | EFER_LMA | EFER_NXE;
}

static uint64_t *
entry64(uint64_t table, unsigned int index)
{
	return (uint64_t *)&ram[table + 8 * index];
}

static uint32_t *
entry32(uint64_t table, unsigned int index)
{
	return (uint32_t *)&ram[table + 4 * index];
}

/* Maps gva through four tables side by side; leaf bits at the given level. */
static void
map_long(uint64_t gva, uint64_t leaf, int leaf_level)
{
	uint64_t table = TABLES;

	for (int level = 4; level > leaf_level; level--) {
		uint64_t next = table + PAGE_SIZE;

		*entry64(table, gva >> (12 + 9 * (level - 1)) & 511) = next | PTE_P | PTE_W | PTE_U;
		table = next;
	}
	*entry64(table, gva >> (12 + 9 * (leaf_level - 1)) & 511) = leaf;
}

static void
expect_gpa(uint64_t gva, uint32_t access, uint64_t want)
{
	struct gmem_fault f;
	uint64_t gpa = ~want;

	assert_int_equal(gmem_translate(&vcpu, gva, access, &gpa, &f), 0);
	assert_int_equal(gpa, want);
}

static void
expect_pf(uint64_t gva, uint32_t access, uint32_t error)
{
	struct gmem_fault f = {0};
	uint64_t gpa;

	assert_int_equal(gmem_translate(&vcpu, gva, access, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_PF);
	assert_int_equal(f.gva, gva);
	assert_int_equal(f.error, error);
}

static void
test_paging_off(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE;
	expect_gpa(0x12345, VM_ACCESS_WRITE, 0x12345);
	expect_gpa(0x100012345, VM_ACCESS_READ, 0x12345);
}

static void
test_long_levels(void **state)
{
	const uint64_t gva = 0xffff800012345678;

	(void)state;
	long_mode();
	map_long(gva, DATA | PTE_P | PTE_W, 1);
	expect_gpa(gva, VM_ACCESS_WRITE, DATA + 0x678);
	setup(NULL);
	map_long(gva, 0x200000 | PTE_P | PTE_PS, 2);
	expect_gpa(gva, VM_ACCESS_READ, 0x200000 + (gva & 0x1fffff));
	setup(NULL);
	map_long(gva, 0x40000000 | PTE_P | PTE_PS, 3);
	expect_gpa(gva, VM_ACCESS_READ, 0x40000000 + (gva & 0x3fffffff));
}

static void
test_accessed_and_dirty(void **state)
{
	const uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_W, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A);
	assert_true(*entry64(TABLES, 0) & PTE_A);
	expect_gpa(0x5000, VM_ACCESS_WRITE, DATA);
	assert_int_equal(*leaf & (PTE_A | PTE_D), PTE_A | PTE_D);
}

static void
test_faults(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_pf(0x6000, VM_ACCESS_READ, 0);
	expect_pf(0x6000, VM_ACCESS_WRITE, PF_W);
	expect_pf(0x5000, VM_ACCESS_WRITE, PF_W | PF_P);
	assert_false(*entry64(TABLES + 3 * PAGE_SIZE, 5) & PTE_A);
	regs.cr0 &= ~(uint64_t)CR0_WP;
	expect_gpa(0x5000, VM_ACCESS_WRITE, DATA);
	regs.cpl = 3;
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P);
	map_long(0x5000, DATA | PTE_P | PTE_U, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	expect_pf(0x5000, VM_ACCESS_WRITE, PF_U | PF_W | PF_P);
	map_long(0x5000, DATA | PTE_P | PTE_U | PTE_NX, 1);
	expect_pf(0x5000, VM_ACCESS_EXEC, PF_U | PF_I | PF_P);
	regs.efer &= ~(uint64_t)EFER_NXE;
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P | PF_RSVD);
	map_long(0x5000, (1ull << 40) | PTE_P | PTE_U, 1);
	expect_pf(0x5000, VM_ACCESS_READ, PF_U | PF_P | PF_RSVD);
}

/* Another vCPU changes the entry between the walk and the mark: the walk begins anew. */
static void
test_entry_changes_meanwhile(void **state)
{
	uint64_t *leaf = entry64(TABLES + 3 * PAGE_SIZE, 5);

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	*leaf = DATA | PTE_P;
	race.entry = leaf;
	race.left = 1;
	race.value = (DATA + PAGE_SIZE) | PTE_P;
	expect_gpa(0x5000, VM_ACCESS_READ, DATA + PAGE_SIZE);
	assert_int_equal(*leaf, (DATA + PAGE_SIZE) | PTE_P | PTE_A);
	*leaf = DATA | PTE_P;
	race.left = 1;
	race.value = 0;
	expect_pf(0x5000, VM_ACCESS_READ, 0);
	assert_int_equal(*leaf, 0);
}

/* One that never leaves off changes it does not keep this CPU. */
static void
test_entry_changes_for_ever(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	race.entry = entry64(TABLES + 3 * PAGE_SIZE, 5);
	race.value = *race.entry = DATA | PTE_P;
	race.left = FOR_EVER;
	expect_gpa(0x5000, VM_ACCESS_READ, DATA);
	assert_int_not_equal(race.left, 0);
	assert_int_equal(*race.entry & ~(uint64_t)IGNORED, DATA | PTE_P);
}

/* The frame moves while the shadows are told, which takes the lock. */
static void
test_write_beside_a_move(void **state)
{
	const uint8_t byte = 1;

	(void)state;
	vm.paging = VM_PAGING_SHADOW;
	move.pending = true;
	assert_int_equal(gphys_write(&vm, DATA, &byte, 1), 0);
	assert_int_equal(ram[DATA], 0);
	assert_int_equal(moved[DATA], 1);
}

static void
test_not_canonical(void **state)
{
	struct gmem_fault f;
	uint64_t gpa;

	(void)state;
	long_mode();
	assert_int_equal(gmem_translate(&vcpu, 1ull << 47, VM_ACCESS_READ, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_GP);
}

static void
test_tables_outside_ram(void **state)
{
	struct gmem_fault f;
	uint64_t gpa;

	(void)state;
	long_mode();
	regs.cr3 = 0x7ffffff000;
	assert_int_equal(gmem_translate(&vcpu, 0x5000, VM_ACCESS_READ, &gpa, &f), -E_FAULT);
	assert_int_equal(f.kind, GMEM_NO_RAM);
	assert_true(f.table);
	assert_int_equal(f.gpa, 0x7ffffff000);
}

static void
test_legacy(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = 0;
	regs.efer = 0;
	*entry32(TABLES, 1) = (TABLES + PAGE_SIZE) | PTE_P | PTE_W;
	*entry32(TABLES + PAGE_SIZE, 2) = DATA | PTE_P | PTE_W;
	expect_gpa(0x402123, VM_ACCESS_WRITE, DATA + 0x123);
	/* Without PSE the PS bit means nothing: a table, and an empty one. */
	*entry32(TABLES, 3) = (TABLES + 2 * PAGE_SIZE) | PTE_P | PTE_PS;
	expect_pf(0xc00000, VM_ACCESS_READ, 0);
	/* With it, 4 MiB and address bits 39:32 in 20:13. */
	*entry32(TABLES, 3) = 0x80000000 | 1 << 13 | PTE_P | PTE_PS;
	regs.cr4 = CR4_PSE;
	expect_gpa(0xc12345, VM_ACCESS_READ, 0x180012345);
}

/* Bits that must be 0: of large pages, of the top entry, of 4 MiB pages. */
static void
test_reserved_bits(void **state)
{
	(void)state;
	long_mode();
	map_long(0x200000, 0x200000 | 1 << 13 | PTE_P | PTE_PS, 2);
	expect_pf(0x200000, VM_ACCESS_READ, PF_P | PF_RSVD);
	map_long(0x200000, 0x200000 | 1 << 12 | PTE_P | PTE_PS, 2); /* PAT */
	expect_gpa(0x200000, VM_ACCESS_READ, 0x200000);
	map_long(0, 0x200000 | PTE_P | PTE_PS, 3);
	expect_pf(0, VM_ACCESS_WRITE, PF_P | PF_W | PF_RSVD);
	map_long(0x5000, DATA | PTE_P, 1);
	*entry64(TABLES, 0) |= PTE_PS;
	expect_pf(0x5000, VM_ACCESS_READ, PF_P | PF_RSVD);
	regs.cr4 = CR4_PSE;
	regs.efer = 0;
	*entry32(TABLES, 3) = 0x80000000 | 1 << 21 | PTE_P | PTE_PS;
	expect_pf(0xc00000, VM_ACCESS_READ, PF_P | PF_RSVD);
	*entry32(TABLES, 3) = 0x80000000 | 1 << 20 | PTE_P | PTE_PS; /* address bit 39 */
	expect_pf(0xc00000, VM_ACCESS_READ, PF_P | PF_RSVD);
}

/* Bits 62:52 are free in 4-level paging, reserved with PAE. */
static void
test_high_bits(void **state)
{
	const uint64_t high[] = {BIT(52), BIT(62)};

	(void)state;
	for (unsigned int i = 0; i < ARRAY_SIZE(high); i++) {
		long_mode();
		map_long(0x5000, DATA | PTE_P | high[i], 1);
		expect_gpa(0x5000, VM_ACCESS_READ, DATA);
		regs.cr4 = CR4_PAE;
		regs.efer = EFER_NXE;
		*entry64(TABLES, 1) = (TABLES + PAGE_SIZE) | PTE_P;
		*entry64(TABLES + PAGE_SIZE, 2) = 0x200000 | PTE_P | PTE_PS | high[i];
		expect_pf(0x40400000, VM_ACCESS_READ, PF_P | PF_RSVD);
	}
}

/* The I bit of an error code comes with NXE, which PAE makes count, or with SMEP. */
static void
test_fetch_errors(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_U, 1);
	regs.cr4 = CR4_PAE | CR4_SMEP;
	regs.efer &= ~(uint64_t)EFER_NXE;
	expect_pf(0x5000, VM_ACCESS_EXEC, PF_P | PF_I);
	expect_pf(0x6000, VM_ACCESS_EXEC, PF_I);
	regs.cr4 = 0;
	regs.efer = EFER_NXE;
	expect_pf(0xc00000, VM_ACCESS_EXEC, 0);
}

static void
test_pae(void **state)
{
	(void)state;
	regs.cr0 = CR0_PE | CR0_PG | CR0_WP;
	regs.cr4 = CR4_PAE;
	regs.efer = 0;
	regs.cr3 = TABLES + 0x20; /* 32-byte aligned */
	*(uint64_t *)&ram[TABLES + 0x20 + 8] = (TABLES + PAGE_SIZE) | PTE_P;
	*entry64(TABLES + PAGE_SIZE, 0) = 0x600000 | PTE_P | PTE_W | PTE_PS;
	expect_gpa(0x40012345, VM_ACCESS_WRITE, 0x612345);
	assert_false(ram[TABLES + 0x28] & PTE_A);
}

static void
test_copies_cross_pages(void **state)
{
	struct gmem_fault f;
	char buf[8];

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P | PTE_W, 1);
	map_long(0x6000, (DATA + 0x3000) | PTE_P | PTE_W, 1);
	assert_int_equal(gmem_write(&vcpu, 0x5ffc, "abcdefgh", 8, &f), 0);
	assert_memory_equal(&ram[DATA + 0xffc], "abcd", 4);
	assert_memory_equal(&ram[DATA + 0x3000], "efgh", 4);
	assert_int_equal(gmem_read(&vcpu, 0x5ffc, buf, 8, &f), 0);
	assert_memory_equal(buf, "abcdefgh", 8);
	assert_int_equal(gmem_read(&vcpu, 0x6ffc, buf, 8, &f), -E_FAULT);
	assert_int_equal(f.gva, 0x7000);
	assert_int_equal(gphys_read(&vm, RAM - 4, buf, 8), -E_FAULT);
}

/* The code at gva, by its first byte; -1 where there is none. */
static int
code_at(uint64_t gva)
{
	const uint8_t *code = gmem_code(&vcpu, gva, regs.cr3);

	return code ? *code : -1;
}

/* The page is kept, but never shown where the guest's own fetch would find another. */
static void
test_code_is_what_is_mapped(void **state)
{
	(void)state;
	long_mode();
	ram[DATA + 0x10] = 1;
	ram[DATA + PAGE_SIZE + 0x10] = 2;
	map_long(0x5000, DATA | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 1);
	assert_int_equal(code_at(0x5010), 1);
	ram[DATA + 0x10] = 3;
	assert_int_equal(code_at(0x5010), 3);
	/* Without anything that the hypervisor sees: INVLPG. */
	map_long(0x5000, (DATA + PAGE_SIZE) | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 2);
	map_long(0x5000, DATA | PTE_P | PTE_NX, 1);
	assert_int_equal(code_at(0x5010), -1);
	map_long(0x5000, DATA | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 3);
	/* A table above, alone. */
	memcpy(&ram[0x80000], &ram[TABLES + 3 * PAGE_SIZE], PAGE_SIZE);
	*entry64(0x80000, 5) = (DATA + PAGE_SIZE) | PTE_P;
	*entry64(TABLES + 2 * PAGE_SIZE, 0) = 0x80000 | PTE_P;
	assert_int_equal(code_at(0x5010), 2);
	regs.cr3 = 0x90000;
	assert_int_equal(code_at(0x5010), -1);
	regs.cr3 = TABLES;
	assert_int_equal(code_at(0x5010), 2);
}

/* Paging goes off and on under the same CR3. */
static void
test_code_by_paging_mode(void **state)
{
	(void)state;
	long_mode();
	ram[0x5010] = 9;
	ram[DATA + 0x10] = 1;
	map_long(0x5000, DATA | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 1);
	regs.cr0 = CR0_PE;
	gmem_forget_code(&vcpu);
	assert_int_equal(code_at(0x5010), 9);
	assert_int_equal(code_at(RAM), -1);
}

static void
expect_insn(uint64_t rip, unsigned int opcode, unsigned int len)
{
	const struct hv_insn *i = fetch_insn(&vcpu, rip);

	assert_non_null(i);
	assert_int_equal(i->insn.opcode, opcode);
	assert_int_equal(i->insn.len, len);
}

/* An instruction that was decoded is found again by its bytes, not by its address. */
/* A monitor that moves its guest's memory all the time does not keep this CPU: there is no code. */
static void
test_code_moves_for_ever(void **state)
{
	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	move.left = FOR_EVER;
	assert_int_equal(code_at(0x5010), -1);
	assert_int_not_equal(move.left, 0);
	move.left = 0;
	assert_int_equal(code_at(0x5010), 0);
}

static void
test_fetch(void **state)
{
	static const uint8_t store[] = {0x89, 0x02}, store_far[] = {0x89, 0x42, 0x10};
	const struct hv_insn *first;

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	memcpy(&ram[DATA + 8], store, sizeof(store));
	expect_insn(0x5008, 0x89, 2);
	first = fetch_insn(&vcpu, 0x5008);
	assert_true(first->on_memory && first->mem.op == INSN_MOV);
	assert_ptr_equal(fetch_insn(&vcpu, 0x5008), first);
	memcpy(&ram[DATA + 8], store_far, sizeof(store_far));
	expect_insn(0x5008, 0x89, 3);
	ram[DATA + 8] = 0x06; /* PUSH ES: not in 64-bit mode */
	assert_null(fetch_insn(&vcpu, 0x5008));
	memcpy(&ram[DATA + 8], store, sizeof(store));
	expect_insn(0x5008, 0x89, 2);
}

/* Zeros are an instruction, too: ADD.  At first nothing must be taken for it. */
static void
test_fetch_zeros(void **state)
{
	(void)state;
	regs.cr0 = 0;
	regs.mode = INSN_16;
	expect_insn(DATA, 0x00, 2);
	regs.mode = INSN_32;
	expect_insn(DATA, 0x00, 2);
}

/* At a page's end: whole, in two pages, and without the second one. */
static void
test_fetch_at_page_end(void **state)
{
	static const uint8_t store[] = {0xc7, 0x05, 1, 2, 3, 4, 5, 6, 7, 8};

	(void)state;
	long_mode();
	map_long(0x5000, DATA | PTE_P, 1);
	memcpy(&ram[DATA + PAGE_SIZE - 10], store, 10);
	expect_insn(0x5ff6, 0xc7, 10);
	memcpy(&ram[DATA + PAGE_SIZE - 4], store, 4);
	assert_null(fetch_insn(&vcpu, 0x5ffc));
	map_long(0x6000, (DATA + 4 * PAGE_SIZE) | PTE_P, 1);
	memcpy(&ram[DATA + 4 * PAGE_SIZE], store + 4, 6);
	expect_insn(0x5ffc, 0xc7, 10);
	ram[DATA + 4 * PAGE_SIZE + 5] = 0xff;
	assert_int_equal(fetch_insn(&vcpu, 0x5ffc)->insn.imm, 0xffffffffff070605);
}

UNIT_MAIN_ON_A_CPU(T(test_paging_off), T(test_long_levels), T(test_accessed_and_dirty),
                   T(test_faults), T(test_entry_changes_meanwhile), T(test_entry_changes_for_ever),
                   T(test_code_moves_for_ever), T(test_write_beside_a_move), T(test_not_canonical),
                   T(test_tables_outside_ram), T(test_legacy), T(test_reserved_bits),
                   T(test_high_bits), T(test_fetch_errors), T(test_pae), T(test_copies_cross_pages),
                   T(test_code_is_what_is_mapped), T(test_code_by_paging_mode), T(test_fetch),
                   T(test_fetch_zeros), T(test_fetch_at_page_end))
