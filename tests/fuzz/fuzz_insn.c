// SOURCES: lib/insn/insn.c lib/insn/table.c lib/insn/exec.c lib/insn/mem.c lib/insn/sys.c
/*
 * The decoder gets any bytes.  It reads none behind the end (each string has a buffer of its
 * size), and what it finds in an instruction is within the bounds that its users rely on.
 */
#include <stdlib.h>
#include <string.h>

#include "inc/error.h"
#include "lib/insn/insn.h"
#include "tests/fuzz/fuzz.h"

static void
check(bool ok)
{
	if (!ok)
		abort();
}

static bool
power_of_two(unsigned int n, unsigned int least, unsigned int most)
{
	return n >= least && n <= most && (n & (n - 1)) == 0;
}

static uint64_t gpr[REG_COUNT];

static void
take_regs(struct input *in, struct insn_regs *regs)
{
	for (unsigned int i = 0; i < REG_COUNT; i++)
		gpr[i] = take(in) * 0x8101020408102041u;
	for (unsigned int i = 0; i <= SEG_GS; i++)
		regs->base[i] = take(in) * 0x0101010101010101u;
}

/* The result fits its size, and only arithmetic flags change. */
static void
check_execute(const struct insn *insn, const struct insn_mem *mem)
{
	const uint64_t flags = 0x8d5;
	uint64_t before = gpr[0] & 0xffffff, rflags = before;
	uint64_t out = insn_execute(mem, gpr[1], gpr, &rflags);

	check(mem->width == 8 || out >> 8 * mem->width == 0);
	check(((rflags ^ before) & ~flags) == 0);
	check(insn_step(insn, mem, gpr, rflags) || mem->rep);
}

static void
check_mem(const struct insn *insn, const struct insn_regs *regs)
{
	struct insn_mem mem;
	uint64_t gva;

	if (insn_mem(insn, &mem))
		return;
	check(mem.op >= INSN_MOVS ||
	      insn_mem_gva(insn, &mem, regs, false) == insn_mem_gva(insn, &mem, regs, true));
	check(power_of_two(mem.width, 1, 8) && mem.access && mem.op <= INSN_LODS);
	check(mem.op >= INSN_MOVS || !insn_address(insn, regs, &gva));
	check(mem.imm >> (8 * mem.width - 1) <= 1);
	check_execute(insn, &mem);
	if (mem.source != INSN_FROM_REG)
		return;
	check(mem.reg < REG_COUNT && power_of_two(mem.reg_width, 1, 8));
	uint64_t value = insn_reg_get(&mem, gpr);
	insn_reg_set(&mem, gpr, ~value);
	check((insn_reg_get(&mem, gpr) ^ value) >> (8 * mem.reg_width - 1) == 1);
}

static void
check_insn(const struct insn *insn, size_t n, const struct insn_regs *regs)
{
	struct insn_sys sys;

	check(insn->len > 0 && insn->len <= n && insn->len <= VM_INSN_MAX);
	check(insn->segment <= SEG_COUNT);
	check(power_of_two(insn->operand_size, 2, 8) && power_of_two(insn->address_size, 2, 8));
	check_mem(insn, regs);
	if (insn_sys(insn, &sys))
		return;
	check(sys.op <= INSN_OUTS && sys.number < 16 && sys.reg < REG_COUNT);
	check(sys.op == INSN_CLTS || power_of_two(sys.width, 1, 8));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = {.data = data, .size = size};
	struct insn_regs regs = {.gpr = gpr};

	memset(gpr, 0, sizeof(gpr));
	while (in.size) {
		uint8_t how = take(&in);
		size_t n = how / 3 % (VM_INSN_MAX + 2);
		uint8_t *bytes = malloc(n ? n : 1);
		struct insn insn;

		for (size_t i = 0; i < n; i++)
			bytes[i] = take(&in);
		if (how > 240)
			take_regs(&in, &regs);
		int error = insn_decode(&insn, bytes, n, how % 3);
		check(error == 0 || error == -E_INVAL || (error == -E_AGAIN && n < VM_INSN_MAX));
		if (!error)
			check_insn(&insn, n, &regs);
		free(bytes);
	}
	return 0;
}
