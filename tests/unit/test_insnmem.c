// SOURCES: lib/insn/insn.c lib/insn/table.c lib/insn/mem.c lib/insn/sys.c
// LIBS: Zydis
/*
 * The operands that lib/insn finds, against Zydis: the addresses of all memory operands.  insn_mem
 * and insn_sys accept exactly the instructions of their lists, and describe them as Zydis does.
 */
#include "inc/error.h"
#include "tests/unit/zydis.h"

enum { ROUNDS = 16, OPS = INSN_LODS + 1, SYS_OPS = INSN_OUTS + 1 };

static uint64_t seed = 20240301;
static unsigned long seen[MODES][OPS], seen_sys[MODES][SYS_OPS];

struct test {
	struct sample s;
	ZydisDecodedOperand operand[ZYDIS_MAX_OPERAND_COUNT];
	uint64_t gpr[REG_COUNT];
	struct insn_regs regs; /* .gpr: the array above */
};

static const struct {
	ZydisMnemonic mnemonic;
	enum insn_op op;
} list[] = {
        {ZYDIS_MNEMONIC_ADD, INSN_ADD},    {ZYDIS_MNEMONIC_OR, INSN_OR},
        {ZYDIS_MNEMONIC_ADC, INSN_ADC},    {ZYDIS_MNEMONIC_SBB, INSN_SBB},
        {ZYDIS_MNEMONIC_AND, INSN_AND},    {ZYDIS_MNEMONIC_SUB, INSN_SUB},
        {ZYDIS_MNEMONIC_XOR, INSN_XOR},    {ZYDIS_MNEMONIC_CMP, INSN_CMP},
        {ZYDIS_MNEMONIC_TEST, INSN_TEST},  {ZYDIS_MNEMONIC_MOV, INSN_MOV},
        {ZYDIS_MNEMONIC_MOVZX, INSN_MOV},  {ZYDIS_MNEMONIC_MOVSX, INSN_MOV},
        {ZYDIS_MNEMONIC_MOVSXD, INSN_MOV}, {ZYDIS_MNEMONIC_XCHG, INSN_XCHG},
        {ZYDIS_MNEMONIC_XADD, INSN_XADD},  {ZYDIS_MNEMONIC_CMPXCHG, INSN_CMPXCHG},
        {ZYDIS_MNEMONIC_BT, INSN_BT},      {ZYDIS_MNEMONIC_BTS, INSN_BTS},
        {ZYDIS_MNEMONIC_BTR, INSN_BTR},    {ZYDIS_MNEMONIC_BTC, INSN_BTC},
        {ZYDIS_MNEMONIC_NOT, INSN_NOT},    {ZYDIS_MNEMONIC_NEG, INSN_NEG},
        {ZYDIS_MNEMONIC_INC, INSN_INC},    {ZYDIS_MNEMONIC_DEC, INSN_DEC},
        {ZYDIS_MNEMONIC_MOVSB, INSN_MOVS}, {ZYDIS_MNEMONIC_MOVSW, INSN_MOVS},
        {ZYDIS_MNEMONIC_MOVSD, INSN_MOVS}, {ZYDIS_MNEMONIC_MOVSQ, INSN_MOVS},
        {ZYDIS_MNEMONIC_STOSB, INSN_STOS}, {ZYDIS_MNEMONIC_STOSW, INSN_STOS},
        {ZYDIS_MNEMONIC_STOSD, INSN_STOS}, {ZYDIS_MNEMONIC_STOSQ, INSN_STOS},
        {ZYDIS_MNEMONIC_LODSB, INSN_LODS}, {ZYDIS_MNEMONIC_LODSW, INSN_LODS},
        {ZYDIS_MNEMONIC_LODSD, INSN_LODS}, {ZYDIS_MNEMONIC_LODSQ, INSN_LODS},
};

static void
require(const struct test *t, bool ok, const char *about)
{
	if (!ok)
		disagree(&t->s, about);
}

static uint64_t
cut(uint64_t value, unsigned int bits)
{
	return bits < 64 ? value & ((1ull << bits) - 1) : value;
}

/* Returns our number of Zydis's general register; the bytes AH to BH have numbers of their own. */
static unsigned int
register_number(ZydisRegister reg, bool *high)
{
	*high = reg >= ZYDIS_REGISTER_AH && reg <= ZYDIS_REGISTER_BH;
	if (*high)
		return reg - ZYDIS_REGISTER_AH;
	if (reg >= ZYDIS_REGISTER_SPL && reg <= ZYDIS_REGISTER_R15B)
		return reg - ZYDIS_REGISTER_SPL + REG_RSP;
	return ZydisRegisterGetId(reg);
}

static uint64_t
register_value(const struct test *t, ZydisRegister reg)
{
	bool high;

	if (reg == ZYDIS_REGISTER_NONE)
		return 0;
	if (ZydisRegisterGetClass(reg) == ZYDIS_REGCLASS_IP)
		return t->regs.rip + t->s.z.length;
	return cut(t->regs.gpr[register_number(reg, &high)],
	           ZydisRegisterGetWidth(t->s.z.machine_mode, reg));
}

/*
 * The base and the displacement of a memory operand, as Zydis describes it.  If the SIB has no base
 * and REX.B is set, Zydis 4.0 finds R13 and no displacement.  A CPU ignores REX.B there, as LEA
 * shows.
 */
static uint64_t
base_and_displacement(const struct test *t, const ZydisDecodedOperand *o)
{
	const ZydisDecodedInstruction *z = &t->s.z;

	if (z->attributes & ZYDIS_ATTRIB_HAS_SIB && z->raw.modrm.mod == 0 && z->raw.sib.base == 5)
		return z->raw.disp.value;
	return register_value(t, o->mem.base) +
	       (o->mem.disp.has_displacement ? (uint64_t)o->mem.disp.value : 0);
}

/* Returns the gva of a memory operand, as Zydis describes it. */
static uint64_t
address(const struct test *t, const ZydisDecodedOperand *o, uint64_t extra)
{
	unsigned int segment = ZydisRegisterGetId(o->mem.segment);
	uint64_t offset = base_and_displacement(t, o) +
	                  register_value(t, o->mem.index) * o->mem.scale + extra;

	offset = cut(offset, t->s.z.address_width);
	if (t->s.mode != INSN_64)
		return (uint32_t)(offset + t->regs.base[segment]);
	return segment >= SEG_FS ? offset + t->regs.base[segment] : offset;
}

/* Returns the first operand of this type with one of these actions. */
static const ZydisDecodedOperand *
find(const struct test *t, ZydisOperandType type, unsigned int actions)
{
	for (int i = 0; i < t->s.z.operand_count; i++) {
		const ZydisDecodedOperand *o = &t->operand[i];

		if (o->type == type && (!actions || o->actions & actions))
			return o;
	}
	return NULL;
}

static bool
encoded(const ZydisDecodedOperand *o)
{
	return o->encoding == ZYDIS_OPERAND_ENCODING_MODRM_RM ||
	       o->encoding == ZYDIS_OPERAND_ENCODING_DISP16_32_64;
}

static bool
repeats(const struct test *t)
{
	for (int i = 0; i < t->s.z.raw.prefix_count; i++)
		if ((t->s.z.raw.prefixes[i].value | 1) == 0xf3)
			return true;
	return false;
}

/* Compares the address of the memory operand of any legacy instruction. */
static void
check_address(const struct test *t)
{
	const ZydisDecodedOperand *o = NULL;
	uint64_t gva;

	for (int i = 0; i < t->s.z.operand_count && !o; i++)
		if (t->operand[i].type == ZYDIS_OPERAND_TYPE_MEMORY && encoded(&t->operand[i]))
			o = &t->operand[i];
	int error = insn_address(&t->s.insn, &t->regs, &gva);
	require(t, !o || t->s.insn.address_size * 8 == t->s.z.address_width, "address size");
	require(t, error == (o ? 0 : -E_INVAL), "memory operand");
	/* LEA has no segment.  With CET, 3E on an indirect branch is NOTRACK, for which Zydis does
	 * not find DS. */
	if (o && t->s.z.mnemonic != ZYDIS_MNEMONIC_LEA &&
	    !(t->s.z.attributes & ZYDIS_ATTRIB_HAS_NOTRACK))
		require(t, gva == address(t, o, 0), "address");
}

/* Whether insn_mem accepts the instruction, and as which operation. */
static bool
listed(const struct test *t, enum insn_op *op)
{
	const ZydisDecodedOperand *reg = find(t, ZYDIS_OPERAND_TYPE_REGISTER, 0);

	if (!find(t, ZYDIS_OPERAND_TYPE_MEMORY, 0))
		return false;
	if (reg && ZydisRegisterGetClass(reg->reg.value) == ZYDIS_REGCLASS_SEGMENT)
		return false;
	for (unsigned int i = 0; i < sizeof(list) / sizeof(list[0]); i++)
		if (list[i].mnemonic == t->s.z.mnemonic) {
			*op = list[i].op;
			return *op != INSN_MOVS || t->s.z.meta.category == ZYDIS_CATEGORY_STRINGOP;
		}
	return false;
}

/* For BT and its kind: the bytes from the operand to the element with the bit. */
static uint64_t
bit_offset(const struct test *t, const struct insn_mem *mem, const ZydisDecodedOperand *reg)
{
	int64_t size = 8 * mem->width, number = 0;

	if (mem->op < INSN_BT || mem->op > INSN_BTC || mem->source != INSN_FROM_REG)
		return 0;
	number = register_value(t, reg->reg.value);
	if (size < 64 && number >> (size - 1))
		number -= 1ll << size;
	return (number < 0 ? -((-number + size - 1) / size) : number / size) * mem->width;
}

static void
check_register(const struct test *t, const struct insn_mem *mem, const ZydisDecodedOperand *o)
{
	bool high;
	unsigned int number = register_number(o->reg.value, &high);

	require(t, mem->reg == number && mem->high_byte == high, "register");
	require(t, mem->reg_width * 8 == o->size, "register's width");
	require(t, mem->to_reg == !!(o->actions & ZYDIS_OPERAND_ACTION_MASK_WRITE), "to register");
}

static void
check_immediate(const struct test *t, const struct insn_mem *mem, const ZydisDecodedOperand *o)
{
	uint64_t value = cut(o->imm.value.u, 8 * mem->width);

	if (mem->op >= INSN_BT && mem->op <= INSN_BTC)
		value %= 8 * mem->width;
	require(t, mem->imm == value, "immediate");
}

/* Returns the register or immediate operand; rAX for STOS, LODS and MOV moffs. */
static void
check_source(const struct test *t, const struct insn_mem *mem)
{
	const ZydisDecodedOperand *reg = NULL, *imm = find(t, ZYDIS_OPERAND_TYPE_IMMEDIATE, 0);

	for (int i = 0; i < t->s.z.operand_count && !reg; i++) {
		const ZydisDecodedOperand *o = &t->operand[i];
		bool implicit = mem->op == INSN_STOS || mem->op == INSN_LODS;

		if (o->type == ZYDIS_OPERAND_TYPE_REGISTER &&
		    (o->visibility != ZYDIS_OPERAND_VISIBILITY_HIDDEN || implicit))
			reg = o;
	}
	if (mem->op == INSN_MOVS || (!reg && !imm)) {
		require(t, mem->source == INSN_NO_SOURCE, "no second operand");
	} else if (imm) {
		require(t, mem->source == INSN_FROM_IMM, "immediate operand");
		check_immediate(t, mem, imm);
	} else {
		require(t, mem->source == INSN_FROM_REG, "register operand");
		check_register(t, mem, reg);
	}
}

static void
check_memory(const struct test *t, const struct insn_mem *mem)
{
	const ZydisDecodedOperand *read =
	        find(t, ZYDIS_OPERAND_TYPE_MEMORY, ZYDIS_OPERAND_ACTION_MASK_READ);
	const ZydisDecodedOperand *write =
	        find(t, ZYDIS_OPERAND_TYPE_MEMORY, ZYDIS_OPERAND_ACTION_MASK_WRITE);
	const ZydisDecodedOperand *reg = find(t, ZYDIS_OPERAND_TYPE_REGISTER, 0);
	uint64_t extra = bit_offset(t, mem, reg);
	uint64_t from = insn_mem_gva(&t->s.insn, mem, &t->regs, false);
	uint64_t to = insn_mem_gva(&t->s.insn, mem, &t->regs, true);

	require(t, !!read == !!(mem->access & VM_ACCESS_READ), "read");
	require(t, !!write == !!(mem->access & VM_ACCESS_WRITE), "write");
	require(t, mem->width * 8 == (read ? read : write)->size, "width");
	require(t, !read || from == address(t, read, extra), "address read");
	require(t, !write || to == address(t, write, extra), "address written");
}

static void
check_mem(const struct test *t)
{
	ZydisMnemonic mnemonic = t->s.z.mnemonic;
	struct insn_mem mem;
	enum insn_op op;
	bool expected = listed(t, &op);

	require(t, insn_mem(&t->s.insn, &mem) == (expected ? 0 : -E_INVAL), "listed");
	if (!expected)
		return;
	seen[t->s.mode][op]++;
	require(t, mem.op == op, "operation");
	require(t,
	        mem.sign == (mnemonic == ZYDIS_MNEMONIC_MOVSX || mnemonic == ZYDIS_MNEMONIC_MOVSXD),
	        "sign");
	require(t,
	        mem.reg_first ==
	                (op <= INSN_CMP && t->operand[0].type == ZYDIS_OPERAND_TYPE_REGISTER),
	        "left operand");
	require(t, mem.rep == (op >= INSN_MOVS && repeats(t)), "rep");
	check_memory(t, &mem);
	check_source(t, &mem);
}

/* Whether insn_sys accepts the instruction, and as which operation. */
static bool
listed_sys(const struct test *t, enum insn_sys_op *op)
{
	ZydisRegisterClass class[2] = {ZYDIS_REGCLASS_INVALID, ZYDIS_REGCLASS_INVALID};

	for (int i = 0; i < 2 && i < t->s.z.operand_count; i++)
		class[i] = ZydisRegisterGetClass(t->operand[i].reg.value);
	switch (t->s.z.mnemonic) {
	case ZYDIS_MNEMONIC_MOV:
		for (int i = 0; i < 2; i++) {
			bool control = class[i] == ZYDIS_REGCLASS_CONTROL;

			*op = control ? INSN_MOV_TO_CR + i : INSN_MOV_TO_DR + i;
			if (control || class[i] == ZYDIS_REGCLASS_DEBUG)
				return true;
		}
		return false;
	case ZYDIS_MNEMONIC_LMSW:
		*op = INSN_LMSW;
		return true;
	case ZYDIS_MNEMONIC_SMSW:
		*op = INSN_SMSW;
		return true;
	case ZYDIS_MNEMONIC_CLTS:
		*op = INSN_CLTS;
		return true;
	case ZYDIS_MNEMONIC_INSB:
	case ZYDIS_MNEMONIC_INSW:
	case ZYDIS_MNEMONIC_INSD:
		*op = INSN_INS;
		return true;
	case ZYDIS_MNEMONIC_OUTSB:
	case ZYDIS_MNEMONIC_OUTSW:
	case ZYDIS_MNEMONIC_OUTSD:
		*op = INSN_OUTS;
		return true;
	default:
		return false;
	}
}

static void
check_mov_sys(const struct test *t, const struct insn_sys *sys)
{
	bool to = sys->op == INSN_MOV_TO_CR || sys->op == INSN_MOV_TO_DR;
	ZydisRegister special = t->operand[!to].reg.value, general = t->operand[to].reg.value;

	require(t, sys->number == ZydisRegisterGetId(special), "control register");
	require(t, sys->reg == ZydisRegisterGetId(general), "general register");
	require(t, sys->width * 8 == t->operand[to].size, "width");
}

static void
check_sys(const struct test *t)
{
	const ZydisDecodedOperand *memory = find(t, ZYDIS_OPERAND_TYPE_MEMORY, 0);
	enum insn_sys_op op;
	struct insn_sys sys;
	bool expected = listed_sys(t, &op);

	require(t, insn_sys(&t->s.insn, &sys) == (expected ? 0 : -E_INVAL), "listed");
	if (!expected)
		return;
	seen_sys[t->s.mode][op]++;
	require(t, sys.op == op, "operation");
	if (op <= INSN_MOV_FROM_DR) {
		check_mov_sys(t, &sys);
	} else if (op >= INSN_INS) {
		require(t, sys.segment == ZydisRegisterGetId(memory->mem.segment), "segment");
		require(t, sys.width * 8 == memory->size, "item");
		require(t, sys.rep == repeats(t), "rep");
	} else if (op != INSN_CLTS) {
		require(t, sys.memory == (memory != NULL), "memory");
		require(t, sys.width * 8 == t->operand[0].size, "width");
		require(t, memory || sys.reg == ZydisRegisterGetId(t->operand[0].reg.value),
		        "register");
	}
}

static void
random_regs(struct test *t)
{
	random_bytes(&seed, (uint8_t *)t->gpr, sizeof(t->gpr));
	t->regs.gpr = t->gpr;
	random_bytes(&seed, (uint8_t *)&t->regs.rip, sizeof(t->regs.rip));
	random_bytes(&seed, (uint8_t *)t->regs.base, sizeof(t->regs.base));
}

static void
check_operands(struct test *t, const uint8_t *bytes)
{
	for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
		decode_both(&t->s, bytes, mode);
		if (!t->s.z_ok || t->s.z.encoding != ZYDIS_INSTRUCTION_ENCODING_LEGACY)
			continue;
		ZydisDecoderDecodeOperands(zydis(mode), &t->s.z_context, &t->s.z, t->operand,
		                           t->s.z.operand_count);
		check_address(t);
		check_mem(t);
		check_sys(t);
	}
}

/* Tries every opcode of both maps with every ModRM, behind random prefixes. */
static void
test_operands(void **state)
{
	static struct test t;
	uint8_t bytes[INPUT];

	(void)state;
	for (unsigned int i = 0; i < ROUNDS * 2 * 256 * 256; i++) {
		unsigned int n = random32(&seed) % 4;

		random_bytes(&seed, bytes, INPUT);
		for (unsigned int j = 0; j < n; j++)
			bytes[j] = random_prefix(&seed);
		if (i >> 16 & 1)
			bytes[n++] = 0x0f;
		bytes[n] = i >> 8;
		bytes[n + 1] = i;
		random_regs(&t);
		check_operands(&t, bytes);
	}
}

static void
test_seen(void **state)
{
	(void)state;
	for (int mode = INSN_16; mode <= INSN_64; mode++) {
		for (int i = 0; i < OPS; i++)
			assert_true(seen[mode][i] >= ROUNDS);
		for (int i = 0; i < SYS_OPS; i++)
			assert_true(seen_sys[mode][i] >= ROUNDS);
	}
}

static void
test_registers(void **state)
{
	uint64_t gpr[REG_COUNT] = {[REG_RBX] = 0x1122334455667788};
	struct insn_mem mem = {.reg = REG_RBX, .reg_width = 1, .high_byte = true};

	(void)state;
	assert_int_equal(insn_reg_get(&mem, gpr), 0x77);
	insn_reg_set(&mem, gpr, 0xabcd);
	assert_int_equal(gpr[REG_RBX], 0x112233445566cd88);
	mem.high_byte = false;
	assert_int_equal(insn_reg_get(&mem, gpr), 0x88);
	insn_reg_set(&mem, gpr, 0xabef);
	assert_int_equal(gpr[REG_RBX], 0x112233445566cdef);
	mem.reg_width = 2;
	insn_reg_set(&mem, gpr, 0x10001);
	assert_int_equal(gpr[REG_RBX], 0x1122334455660001);
	mem.reg_width = 8;
	assert_int_equal(insn_reg_get(&mem, gpr), 0x1122334455660001);
	mem.reg_width = 4;
	assert_int_equal(insn_reg_get(&mem, gpr), 0x55660001);
	insn_reg_set(&mem, gpr, UINT64_MAX);
	assert_int_equal(gpr[REG_RBX], 0xffffffff);
}

/* Zydis does not know AMD's LOCK MOV CR0. */
static void
test_lock_cr0(void **state)
{
	static const uint8_t to_cr8[] = {0xf0, 0x0f, 0x22, 0xc3},
	                     from_cr3[] = {0xf0, 0x0f, 0x20, 0xd9};
	struct insn insn;
	struct insn_sys sys;

	(void)state;
	assert_int_equal(insn_decode(&insn, to_cr8, sizeof(to_cr8), INSN_32), 0);
	assert_int_equal(insn.len, 4);
	assert_int_equal(insn_sys(&insn, &sys), 0);
	assert_int_equal(sys.op, INSN_MOV_TO_CR);
	assert_int_equal(sys.number, 8);
	assert_int_equal(sys.reg, REG_RBX);
	assert_int_equal(insn_decode(&insn, from_cr3, sizeof(from_cr3), INSN_32), 0);
	assert_int_equal(insn_sys(&insn, &sys), 0);
	assert_int_equal(sys.number, 3);
}

UNIT_MAIN(cmocka_unit_test(test_operands), cmocka_unit_test(test_seen),
          cmocka_unit_test(test_registers), cmocka_unit_test(test_lock_cr0))
