// SOURCES: vmm/gmem.c vmm/fetch.c lib/insn/insn.c lib/insn/table.c lib/insn/mem.c lib/insn/sys.c
// SOURCES: tests/unit/gmemvm.c tests/unit/guesttables.c tests/unit/cpu.c
#include "tests/unit/unit.h"

#include <string.h>

#include "inc/x86.h"
#include "tests/unit/cpu.h"
#include "tests/unit/gmemvm.h"

/* The hypervisor finds the guest's code where the guest's own fetch would, and decodes it. */

/* Returns the first byte of the code at gva; -1 if there is no code. */
static int
code_at(uint64_t gva)
{
	const uint8_t *code = gmem_code(&vcpu, gva, regs.cr3);

	return code ? *code : -1;
}

/* The code page is kept, but not used where the guest's own fetch would find another page. */
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
	/* The guest changes a mapping by INVLPG, which the hypervisor does not see. */
	map_long(0x5000, (DATA + PAGE_SIZE) | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 2);
	map_long(0x5000, DATA | PTE_P | PTE_NX, 1);
	assert_int_equal(code_at(0x5010), -1);
	map_long(0x5000, DATA | PTE_P, 1);
	assert_int_equal(code_at(0x5010), 3);
	/* Only a table above changes. */
	memcpy(&ram[0x80000], &ram[TABLES + 3 * PAGE_SIZE], PAGE_SIZE);
	*entry64(0x80000, 5) = (DATA + PAGE_SIZE) | PTE_P;
	*entry64(TABLES + 2 * PAGE_SIZE, 0) = 0x80000 | PTE_P;
	assert_int_equal(code_at(0x5010), 2);
	regs.cr3 = 0x90000;
	assert_int_equal(code_at(0x5010), -1);
	regs.cr3 = TABLES;
	assert_int_equal(code_at(0x5010), 2);
}

/* Paging goes off and on with the same CR3. */
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

/* A monitor moves its guest's memory all the time: the fetch gives up, and there is no code. */
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

/* A decoded instruction is found again by its bytes, not by its address. */
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

/* Zeros are an instruction, ADD.  An empty cache must not be taken for one that holds it. */
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

/* At a page's end an instruction is whole, in two pages, or lacks its second page. */
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

UNIT_MAIN_ON_A_CPU(GMEM_TEST(test_code_is_what_is_mapped), GMEM_TEST(test_code_by_paging_mode),
                   GMEM_TEST(test_code_moves_for_ever), GMEM_TEST(test_fetch),
                   GMEM_TEST(test_fetch_zeros), GMEM_TEST(test_fetch_at_page_end))
