#include "inc/error.h"
#include "lib/insn/insn.h"

/* The operands of instructions that SVM intercepts. */

static bool
is_0f(const struct insn *insn, uint8_t opcode, uint8_t mask)
{
	return insn->encoding == INSN_LEGACY && insn->map == INSN_MAP_0F &&
	       (insn->opcode & mask) == opcode;
}

/* 0F 20 to 23: from CR, from DR, to CR, to DR. */
static void
mov(const struct insn *insn, struct insn_sys *sys)
{
	static const uint8_t op[] = {INSN_MOV_FROM_CR, INSN_MOV_FROM_DR, INSN_MOV_TO_CR,
	                             INSN_MOV_TO_DR};
	bool debug = insn->opcode & 1;

	sys->op = op[insn->opcode & 3];
	sys->reg = insn_rm(insn);
	sys->number = insn_reg(insn);
	if (!debug && insn->prefixes & INSN_LOCK && sys->number == 0)
		sys->number = 8;
	sys->width = insn->mode == INSN_64 ? 8 : 4;
}

/* 0F 01 /4 SMSW, /6 LMSW.  Only SMSW to a register is wider than a word. */
static void
msw(const struct insn *insn, struct insn_sys *sys)
{
	sys->op = insn_group(insn) == 4 ? INSN_SMSW : INSN_LMSW;
	sys->memory = insn_mod(insn) != 3;
	sys->reg = insn_rm(insn);
	sys->width = sys->op == INSN_SMSW && !sys->memory ? insn->operand_size : 2;
}

/* 6C to 6F: INS, INS, OUTS, OUTS.  Only OUTS' segment can be overridden. */
static void
string_io(const struct insn *insn, struct insn_sys *sys)
{
	bool outs = insn->opcode & 2, wide = insn->opcode & 1;

	sys->op = outs ? INSN_OUTS : INSN_INS;
	sys->reg = outs ? REG_RSI : REG_RDI;
	sys->width = !wide ? 1 : insn->operand_size == 2 ? 2 : 4;
	sys->segment = !outs ? SEG_ES : insn->segment == SEG_COUNT ? SEG_DS : insn->segment;
	sys->rep = insn->prefixes & (INSN_REP | INSN_REPNE);
}

int
insn_sys(const struct insn *insn, struct insn_sys *sys)
{
	*sys = (struct insn_sys){0};
	if (is_0f(insn, 0x20, 0xfc))
		mov(insn, sys);
	else if (is_0f(insn, 0x01, 0xff) && (insn_group(insn) & 5) == 4)
		msw(insn, sys);
	else if (is_0f(insn, 0x06, 0xff))
		sys->op = INSN_CLTS;
	else if (insn->encoding == INSN_LEGACY && insn->map == INSN_MAP_1BYTE &&
	         (insn->opcode & 0xfc) == 0x6c)
		string_io(insn, sys);
	else
		return -E_INVAL;
	return 0;
}
