// SOURCES: lib/insn/insn.c lib/insn/table.c lib/insn/mem.c lib/insn/exec.c
/*
 * The effects of instructions on registers, flags and memory: lib/insn against the CPU that runs
 * this test.  Each instruction has its operand at the address in RDI.
 */
#include <string.h>
#include <sys/mman.h>

#include "inc/mmu.h"
#include "lib/insn/insn.h"
#include "tests/unit/unit.h"

enum { ROUNDS = 24, OPS = INSN_LODS + 1, CODE_SIZE = 4096, OPCODES = 512 };
enum { ARITHMETIC = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF };

static uint64_t seed = 20240607;
static uint8_t *code;
static unsigned int seen[OPS][9];

/* The instruction's first eight registers, its flags, and the memory at RDI. */
struct machine {
	uint64_t rax, rcx, rdx, rbx, rflags;
	uint64_t memory[2];
};

static uint64_t
random64(void)
{
	uint64_t high = random32(&seed);

	return high << 32 | random32(&seed);
}

/* Returns a random number, often one at the edge of a size. */
static uint64_t
random_value(void)
{
	static const uint64_t edges[] = {0,          1,          0x7f,   0x80,       0xff,
	                                 0x7fff,     0x8000,     0xffff, 0x7fffffff, 0x80000000,
	                                 0xffffffff, 1ull << 63, ~0ull,  ~0ull >> 1};
	uint32_t n = random32(&seed) % 32;

	return n < sizeof(edges) / sizeof(edges[0]) ? edges[n] : random64();
}

static void
run_on_cpu(struct machine *m)
{
	__asm__ volatile("leaq -256(%%rsp), %%rsp\n\t" /* leaves the compiler's red zone alone */
	                 "pushq %%rbx\n\t"
	                 "pushq %[m]\n\t"
	                 "pushq %[code]\n\t"
	                 "pushq 32(%[m])\n\t"
	                 "leaq 40(%[m]), %%rdi\n\t"
	                 "movq 0(%[m]), %%rax\n\t"
	                 "movq 8(%[m]), %%rcx\n\t"
	                 "movq 16(%[m]), %%rdx\n\t"
	                 "movq 24(%[m]), %%rbx\n\t"
	                 "popfq\n\t"
	                 "callq *(%%rsp)\n\t"
	                 "pushfq\n\t"
	                 "movq 16(%%rsp), %%rsi\n\t"
	                 "movq %%rax, 0(%%rsi)\n\t"
	                 "movq %%rcx, 8(%%rsi)\n\t"
	                 "movq %%rdx, 16(%%rsi)\n\t"
	                 "movq %%rbx, 24(%%rsi)\n\t"
	                 "popq 32(%%rsi)\n\t"
	                 "popq %%rax\n\t"
	                 "popq %%rax\n\t"
	                 "popq %%rbx\n\t"
	                 "leaq 256(%%rsp), %%rsp"
	                 :
	                 : [m] "S"(m), [code] "r"(code)
	                 : "rax", "rcx", "rdx", "rdi", "memory", "cc");
}

static void
run_on_lib(struct machine *m, const struct insn_mem *mem)
{
	uint64_t gpr[REG_COUNT] = {m->rax, m->rcx, m->rdx, m->rbx}, in = 0, out;

	if (mem->access & VM_ACCESS_READ)
		memcpy(&in, m->memory, mem->width);
	out = insn_execute(mem, in, gpr, &m->rflags);
	if (mem->access & VM_ACCESS_WRITE)
		memcpy(m->memory, &out, mem->width);
	m->rax = gpr[REG_RAX];
	m->rcx = gpr[REG_RCX];
	m->rdx = gpr[REG_RDX];
	m->rbx = gpr[REG_RBX];
}

/* Flags that the manual defines. */
static uint64_t
defined(enum insn_op op)
{
	switch (op) {
	case INSN_AND:
	case INSN_OR:
	case INSN_XOR:
	case INSN_TEST:
		return ARITHMETIC & ~(uint64_t)RFLAGS_AF;
	case INSN_BT:
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		return RFLAGS_CF;
	default:
		return ARITHMETIC;
	}
}

/* Lets CMPXCHG succeed sometimes, and keeps BT's bit in the first element. */
static void
restrict_start(struct machine *m, const struct insn_mem *mem)
{
	uint64_t *const reg[] = {&m->rax, &m->rcx, &m->rdx, &m->rbx};

	if (random32(&seed) % 3 == 0)
		m->memory[0] = m->rax;
	if (mem->op >= INSN_BT && mem->op <= INSN_BTC)
		for (unsigned int i = 0; i < 4; i++)
			*reg[i] %= 8 * mem->width;
}

static void
compare(const struct insn_mem *mem)
{
	struct machine start = {random_value(),
	                        random_value(),
	                        random_value(),
	                        random_value(),
	                        (random32(&seed) & ARITHMETIC) | RFLAGS_FIXED,
	                        {random_value(), random64()}};
	struct machine cpu, lib;

	restrict_start(&start, mem);
	cpu = lib = start;
	run_on_cpu(&cpu);
	run_on_lib(&lib, mem);
	assert_int_equal(cpu.rax, lib.rax);
	assert_int_equal(cpu.rcx, lib.rcx);
	assert_int_equal(cpu.rdx, lib.rdx);
	assert_int_equal(cpu.rbx, lib.rbx);
	assert_memory_equal(cpu.memory, lib.memory, sizeof(cpu.memory));
	assert_int_equal((cpu.rflags ^ lib.rflags) & defined(mem->op), 0);
	seen[mem->op][mem->width]++;
}

/* The registers that run_on_cpu() sets. */
static bool
can_run(const struct insn *insn, const struct insn_mem *mem)
{
	if (!insn->has_modrm || mem->op >= INSN_MOVS)
		return false;
	return mem->source != INSN_FROM_REG || mem->reg <= REG_RBX;
}

/* The code: prefix, 0F for the second 256 opcodes, opcode, ModRM for (RDI), immediate; RET. */
static void
try_instruction(uint8_t prefix, unsigned int opcode, unsigned int reg)
{
	uint8_t bytes[VM_INSN_MAX + 1] = {0}, modrm = reg << 3 | 7;
	unsigned int n = 0;
	struct insn_mem mem;
	struct insn insn;

	if (prefix)
		bytes[n++] = prefix;
	if (opcode > 0xff)
		bytes[n++] = 0x0f;
	bytes[n++] = opcode;
	bytes[n++] = modrm;
	for (unsigned int i = 0; i < 4; i++)
		bytes[n++] = random_value();
	if (insn_decode(&insn, bytes, VM_INSN_MAX, INSN_64) || insn_mem(&insn, &mem) ||
	    insn.modrm != modrm || insn.opcode != (uint8_t)opcode || !can_run(&insn, &mem))
		return; /* the opcode may be a prefix, too */
	memcpy(code, bytes, insn.len);
	code[insn.len] = 0xc3;
	compare(&mem);
}

static void
test_against_cpu(void **state)
{
	static const uint8_t prefixes[] = {0, 0x66, 0x48, 0x40};

	(void)state;
	code = mmap(NULL, CODE_SIZE, PROT_READ | PROT_WRITE | PROT_EXEC,
	            MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_true(code != MAP_FAILED);
	for (unsigned int round = 0; round < ROUNDS; round++)
		for (unsigned int opcode = 0; opcode < OPCODES; opcode++)
			for (unsigned int p = 0; p < sizeof(prefixes); p++)
				for (unsigned int reg = 0; reg < 8; reg++)
					try_instruction(prefixes[p], opcode, reg);
	munmap(code, CODE_SIZE);
	for (unsigned int op = 0; op < INSN_MOVS; op++)
		for (unsigned int width = op >= INSN_BT && op <= INSN_BTC ? 2 : 1; width <= 8;
		     width *= 2)
			assert_true(seen[op][width] >= ROUNDS);
}

static struct insn_mem
decode(struct insn *insn, const char *bytes, enum insn_mode mode)
{
	struct insn_mem mem;

	assert_int_equal(insn_decode(insn, (const uint8_t *)bytes, VM_INSN_MAX, mode), 0);
	assert_int_equal(insn_mem(insn, &mem), 0);
	return mem;
}

/* rep stosl; addr32 movsb, which leaves the upper halves 0; lodsq without rep. */
static void
test_strings(void **state)
{
	uint64_t gpr[REG_COUNT] = {[REG_RCX] = 2, [REG_RSI] = 0x100, [REG_RDI] = 0x200};
	uint64_t rflags = RFLAGS_FIXED;
	struct insn_mem mem;
	struct insn insn;

	(void)state;
	gpr[REG_RAX] = 0x1122334455667788;
	mem = decode(&insn, "\xf3\xab\0\0\0\0\0\0\0\0\0\0\0\0", INSN_64);
	assert_int_equal(insn_execute(&mem, 0, gpr, &rflags), 0x55667788);
	assert_false(insn_step(&insn, &mem, gpr, rflags));
	assert_int_equal(gpr[REG_RDI], 0x204);
	assert_int_equal(gpr[REG_RSI], 0x100);
	assert_int_equal(gpr[REG_RCX], 1);
	assert_true(insn_step(&insn, &mem, gpr, rflags));
	assert_int_equal(gpr[REG_RCX], 0);

	mem = decode(&insn, "\x67\xa4\0\0\0\0\0\0\0\0\0\0\0\0", INSN_64);
	gpr[REG_RDI] = 0xffffffff00000000;
	assert_int_equal(insn_execute(&mem, 0x5a, gpr, &rflags), 0x5a);
	assert_true(insn_step(&insn, &mem, gpr, RFLAGS_DF));
	assert_int_equal(gpr[REG_RDI], 0xffffffff);
	assert_int_equal(gpr[REG_RSI], 0xff);

	mem = decode(&insn, "\x48\xad\0\0\0\0\0\0\0\0\0\0\0\0", INSN_64);
	insn_execute(&mem, 0xaabbccddeeff0011, gpr, &rflags);
	assert_int_equal(gpr[REG_RAX], 0xaabbccddeeff0011);
	assert_true(insn_step(&insn, &mem, gpr, rflags));
	assert_int_equal(gpr[REG_RSI], 0x107);

	/* 16-bit addresses wrap, and the registers' upper bits stay. */
	mem = decode(&insn, "\xf3\xaa\0\0\0\0\0\0\0\0\0\0\0\0", INSN_16);
	gpr[REG_RDI] = 0x1ffff;
	gpr[REG_RCX] = 0x30001;
	assert_true(insn_step(&insn, &mem, gpr, rflags));
	assert_int_equal(gpr[REG_RDI], 0x10000);
	assert_int_equal(gpr[REG_RCX], 0x30000);
}

UNIT_MAIN(cmocka_unit_test(test_against_cpu), cmocka_unit_test(test_strings))
