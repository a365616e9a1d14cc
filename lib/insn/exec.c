#include "inc/mmu.h"
#include "lib/insn/bytes.h"
#include "lib/insn/insn.h"

/*
 * Executes instructions with a memory operand: from the operand's value to registers, flags and the
 * result.
 */

enum { FLAGS = RFLAGS_CF | RFLAGS_PF | RFLAGS_AF | RFLAGS_ZF | RFLAGS_SF | RFLAGS_OF };

/*
 * Returns the flags of a result.  carries: the carries out of each bit; overflow: its sign bit
 * tells whether the result overflowed.
 */
static uint64_t
flags_of(uint64_t result, uint64_t carries, uint64_t overflow, unsigned int width)
{
	unsigned int sign = 8 * width - 1;
	bool even = !(__builtin_popcount((uint8_t)result) & 1);

	return (carries >> sign & 1 ? RFLAGS_CF : 0) | (carries >> 3 & 1 ? RFLAGS_AF : 0) |
	       (overflow >> sign & 1 ? RFLAGS_OF : 0) | (result >> sign & 1 ? RFLAGS_SF : 0) |
	       (low_bytes(result, width) ? 0 : RFLAGS_ZF) | (even ? RFLAGS_PF : 0);
}

static uint64_t
logic(uint64_t result, unsigned int width, uint64_t *flags)
{
	*flags = flags_of(result, 0, 0, width);
	return result;
}

static uint64_t
add(uint64_t a, uint64_t b, bool carry, unsigned int width, uint64_t *flags)
{
	uint64_t sum = a + b + carry;

	*flags = flags_of(sum, (a & b) | ((a | b) & ~sum), (a ^ sum) & (b ^ sum), width);
	return sum;
}

static uint64_t
subtract(uint64_t a, uint64_t b, bool borrow, unsigned int width, uint64_t *flags)
{
	uint64_t rest = a - b - borrow;

	*flags = flags_of(rest, (~a & b) | ((~a | b) & rest), (a ^ b) & (a ^ rest), width);
	return rest;
}

/* The first eight operations of enum insn_op, and TEST. */
static uint64_t
arithmetic(enum insn_op op, uint64_t a, uint64_t b, unsigned int width, uint64_t *flags)
{
	bool carry = *flags & RFLAGS_CF;

	switch (op) {
	case INSN_ADD:
		return add(a, b, false, width, flags);
	case INSN_ADC:
		return add(a, b, carry, width, flags);
	case INSN_SUB:
	case INSN_CMP:
		return subtract(a, b, false, width, flags);
	case INSN_SBB:
		return subtract(a, b, carry, width, flags);
	case INSN_OR:
		return logic(a | b, width, flags);
	case INSN_XOR:
		return logic(a ^ b, width, flags);
	default: /* AND, TEST */
		return logic(a & b, width, flags);
	}
}

/* INC, DEC and NEG are arithmetic with a constant.  INC and DEC keep the carry flag. */
static uint64_t
unary(enum insn_op op, uint64_t in, unsigned int width, uint64_t *flags)
{
	uint64_t carry = *flags & RFLAGS_CF, result;

	if (op == INSN_NEG)
		return subtract(0, in, false, width, flags);
	result = op == INSN_INC ? add(in, 1, false, width, flags)
	                        : subtract(in, 1, false, width, flags);
	*flags = (*flags & ~(uint64_t)RFLAGS_CF) | carry;
	return result;
}

/* BT, BTS, BTR and BTC set the carry flag to the bit, and leave the other flags. */
static uint64_t
bits(const struct insn_mem *mem, uint64_t in, uint64_t number, uint64_t *flags)
{
	uint64_t bit = 1ull << (number & (8 * mem->width - 1));

	*flags = (*flags & ~(uint64_t)RFLAGS_CF) | (in & bit ? RFLAGS_CF : 0);
	switch (mem->op) {
	case INSN_BTS:
		return in | bit;
	case INSN_BTR:
		return in & ~bit;
	default: /* BTC; BT writes nothing */
		return in ^ bit;
	}
}

/*
 * CMPXCHG writes memory in both cases.  The accumulator changes only if it was not equal to memory.
 */
static uint64_t
compare_exchange(const struct insn_mem *mem, uint64_t in, uint64_t source, uint64_t *gpr,
                 uint64_t *flags)
{
	const struct insn_mem accumulator = {.reg = REG_RAX, .reg_width = mem->width};

	subtract(insn_reg_get(&accumulator, gpr), in, false, mem->width, flags);
	if (*flags & RFLAGS_ZF)
		return source;
	insn_reg_set(&accumulator, gpr, in);
	return in;
}

static uint64_t
move(const struct insn_mem *mem, uint64_t in, uint64_t source, uint64_t *gpr)
{
	if (!(mem->access & VM_ACCESS_READ))
		return source;
	if (mem->to_reg)
		insn_reg_set(mem, gpr, mem->sign ? sign_extend(in, mem->width) : in);
	return in;
}

static uint64_t
compute(const struct insn_mem *mem, uint64_t in, uint64_t source, uint64_t *gpr, uint64_t *flags)
{
	uint64_t result;

	switch (mem->op) {
	case INSN_XCHG:
		insn_reg_set(mem, gpr, in);
		return source;
	case INSN_XADD:
		result = add(in, source, false, mem->width, flags);
		insn_reg_set(mem, gpr, in);
		return result;
	case INSN_CMPXCHG:
		return compare_exchange(mem, in, source, gpr, flags);
	case INSN_BT:
	case INSN_BTS:
	case INSN_BTR:
	case INSN_BTC:
		return bits(mem, in, source, flags);
	case INSN_NOT:
		return ~in;
	case INSN_NEG:
	case INSN_INC:
	case INSN_DEC:
		return unary(mem->op, in, mem->width, flags);
	}
	if (!mem->reg_first)
		return arithmetic(mem->op, in, source, mem->width, flags);
	result = arithmetic(mem->op, source, in, mem->width, flags);
	if (mem->to_reg)
		insn_reg_set(mem, gpr, result);
	return result;
}

uint64_t
insn_source(const struct insn_mem *mem, const uint64_t *gpr)
{
	if (mem->source != INSN_FROM_REG)
		return mem->imm; /* 0 without a source */
	return low_bytes(gpr[mem->reg] >> (mem->high_byte ? 8 : 0), mem->width);
}

uint64_t
insn_execute(const struct insn_mem *mem, uint64_t in, uint64_t *gpr, uint64_t *rflags)
{
	uint64_t source = insn_source(mem, gpr), flags, result;

	if (mem->op == INSN_MOV || mem->op >= INSN_MOVS)
		return low_bytes(move(mem, in, source, gpr), mem->width);
	flags = *rflags & FLAGS;
	result = compute(mem, in, source, gpr, &flags);
	*rflags = (*rflags & ~(uint64_t)FLAGS) | flags;
	return low_bytes(result, mem->width);
}

/* Returns a register that is as wide as addresses are. */
static struct insn_mem
pointer(const struct insn *insn, enum vm_reg reg)
{
	return (struct insn_mem){.reg = reg, .reg_width = insn->address_size};
}

static void
move_pointer(const struct insn *insn, enum vm_reg reg, int64_t by, uint64_t *gpr)
{
	const struct insn_mem p = pointer(insn, reg);

	insn_reg_set(&p, gpr, insn_reg_get(&p, gpr) + by);
}

bool
insn_step(const struct insn *insn, const struct insn_mem *mem, uint64_t *gpr, uint64_t rflags)
{
	const struct insn_mem count = pointer(insn, REG_RCX);
	int64_t by = rflags & RFLAGS_DF ? -(int64_t)mem->width : mem->width;

	if (mem->op < INSN_MOVS)
		return true;
	if (mem->access & VM_ACCESS_READ)
		move_pointer(insn, REG_RSI, by, gpr);
	if (mem->access & VM_ACCESS_WRITE)
		move_pointer(insn, REG_RDI, by, gpr);
	if (!mem->rep)
		return true;
	move_pointer(insn, REG_RCX, -1, gpr);
	return insn_reg_get(&count, gpr) == 0;
}
