#include "inc/error.h"
#include "lib/insn/bytes.h"
#include "lib/insn/insn.h"

/* Memory operands: where they are, and what an instruction does with them. */

/* How the operands of an opcode lie. */
enum {
	R = 1 << 0,         /* memory is read */
	W = 1 << 1,         /* memory is written */
	TO_REG = 1 << 2,    /* the register takes the result */
	IMM = 1 << 3,       /* the other operand is the immediate */
	REG = 1 << 4,       /* the other operand is reg, or rAX without ModRM */
	BYTE = 1 << 5,      /* a clear bit 0 of the opcode means bytes */
	EXTEND = 1 << 6,    /* memory is narrower than the register */
	SIGN = 1 << 7,      /* the sign is extended */
	BITS = 1 << 8,      /* the other operand is a bit number */
	BY_CODE = 1 << 9,   /* bits 5:3 of the opcode select among the first eight operations */
	BY_GROUP = 1 << 10, /* the reg field selects among them */
	STRING = 1 << 11,   /* memory is at rSI if read and at rDI if written */
	ONLY_64 = 1 << 12,
};

enum { ANY = 8 };

static const struct form {
	uint8_t map, mask, opcode; /* applies to an opcode with (opcode & mask) == this */
	uint8_t group;             /* value of the reg field, or ANY */
	uint8_t op;                /* enum insn_op */
	uint16_t flags;
} forms[] = {
        {0, 0xc6, 0x00, ANY, INSN_ADD, R | W | REG | BYTE | BY_CODE},
        {0, 0xc6, 0x02, ANY, INSN_ADD, R | TO_REG | REG | BYTE | BY_CODE},
        {0, 0xff, 0x63, ANY, INSN_MOV, R | TO_REG | REG | EXTEND | SIGN | ONLY_64},
        {0, 0xfc, 0x80, ANY, INSN_ADD, R | W | IMM | BYTE | BY_GROUP},
        {0, 0xfe, 0x84, ANY, INSN_TEST, R | REG | BYTE},
        {0, 0xfe, 0x86, ANY, INSN_XCHG, R | W | TO_REG | REG | BYTE},
        {0, 0xfe, 0x88, ANY, INSN_MOV, W | REG | BYTE},
        {0, 0xfe, 0x8a, ANY, INSN_MOV, R | TO_REG | REG | BYTE},
        {0, 0xfe, 0xa0, ANY, INSN_MOV, R | TO_REG | REG | BYTE},
        {0, 0xfe, 0xa2, ANY, INSN_MOV, W | REG | BYTE},
        {0, 0xfe, 0xa4, ANY, INSN_MOVS, R | W | BYTE | STRING},
        {0, 0xfe, 0xaa, ANY, INSN_STOS, W | REG | BYTE | STRING},
        {0, 0xfe, 0xac, ANY, INSN_LODS, R | TO_REG | REG | BYTE | STRING},
        {0, 0xfe, 0xc6, 0, INSN_MOV, W | IMM | BYTE},
        {0, 0xfe, 0xf6, 0, INSN_TEST, R | IMM | BYTE},
        {0, 0xfe, 0xf6, 1, INSN_TEST, R | IMM | BYTE},
        {0, 0xfe, 0xf6, 2, INSN_NOT, R | W | BYTE},
        {0, 0xfe, 0xf6, 3, INSN_NEG, R | W | BYTE},
        {0, 0xfe, 0xfe, 0, INSN_INC, R | W | BYTE},
        {0, 0xfe, 0xfe, 1, INSN_DEC, R | W | BYTE},
        {1, 0xff, 0xa3, ANY, INSN_BT, R | REG | BITS},
        {1, 0xff, 0xab, ANY, INSN_BTS, R | W | REG | BITS},
        {1, 0xfe, 0xb0, ANY, INSN_CMPXCHG, R | W | REG | BYTE},
        {1, 0xff, 0xb3, ANY, INSN_BTR, R | W | REG | BITS},
        {1, 0xfe, 0xb6, ANY, INSN_MOV, R | TO_REG | REG | EXTEND},
        {1, 0xff, 0xba, 4, INSN_BT, R | IMM | BITS},
        {1, 0xff, 0xba, 5, INSN_BTS, R | W | IMM | BITS},
        {1, 0xff, 0xba, 6, INSN_BTR, R | W | IMM | BITS},
        {1, 0xff, 0xba, 7, INSN_BTC, R | W | IMM | BITS},
        {1, 0xff, 0xbb, ANY, INSN_BTC, R | W | REG | BITS},
        {1, 0xfe, 0xbe, ANY, INSN_MOV, R | TO_REG | REG | EXTEND | SIGN},
        {1, 0xfe, 0xc0, ANY, INSN_XADD, R | W | TO_REG | REG | BYTE},
};

/* Returns the gva of an offset in a segment.  In 64-bit mode only FS and GS have a base. */
static uint64_t
linear(const struct insn *insn, const struct insn_regs *regs, enum vm_seg segment, uint64_t offset)
{
	offset = low_bytes(offset, insn->address_size);
	if (insn->mode == INSN_64)
		return offset + (segment >= SEG_FS ? regs->base[segment] : 0);
	return low_bytes(offset + regs->base[segment], 4);
}

static enum vm_seg
segment_or(const struct insn *insn, enum vm_seg natural)
{
	return insn->segment == SEG_COUNT ? natural : insn->segment;
}

/* Returns the sum of the registers that rm selects in 16-bit addressing, such as BX + SI. */
static uint64_t
base_16(const struct insn *insn, const uint64_t *gpr, enum vm_seg *segment)
{
	static const struct {
		uint8_t base, index; /* REG_COUNT: none */
	} pair[] = {
	        {REG_RBX, REG_RSI},   {REG_RBX, REG_RDI},   {REG_RBP, REG_RSI},
	        {REG_RBP, REG_RDI},   {REG_RSI, REG_COUNT}, {REG_RDI, REG_COUNT},
	        {REG_RBP, REG_COUNT}, {REG_RBX, REG_COUNT},
	};
	uint8_t base = pair[insn->modrm & 7].base, index = pair[insn->modrm & 7].index;

	if (base == REG_RBP && insn_mod(insn) == 0 && index == REG_COUNT)
		return 0;
	if (base == REG_RBP)
		*segment = SEG_SS;
	return gpr[base] + (index == REG_COUNT ? 0 : gpr[index]);
}

static uint64_t
index_sib(const struct insn *insn, const uint64_t *gpr)
{
	unsigned int index = (insn->sib >> 3 & 7) | (insn->rex & INSN_REX_X ? 8 : 0);

	return insn->has_sib && index != REG_RSP ? gpr[index] << (insn->sib >> 6) : 0;
}

static inline uint64_t
base_32(const struct insn *insn, const struct insn_regs *regs, enum vm_seg *segment)
{
	unsigned int base = (insn->has_sib ? insn->sib : insn->modrm) & 7;

	if (insn_mod(insn) == 0 && base == 5)
		return insn->mode == INSN_64 && !insn->has_sib ? regs->rip + insn->len : 0;
	if (insn->rex & INSN_REX_B)
		base |= 8;
	if (base == REG_RSP || base == REG_RBP)
		*segment = SEG_SS;
	return regs->gpr[base];
}

/* Returns the operand's offset in its segment, not yet cut to the address size. */
static inline uint64_t
operand_offset(const struct insn *insn, const struct insn_regs *regs, enum vm_seg *segment)
{
	*segment = SEG_DS;
	if (!insn->has_modrm)
		return insn->disp;
	if (insn->address_size == 2)
		return insn->disp + base_16(insn, regs->gpr, segment);
	return insn->disp + base_32(insn, regs, segment) + index_sib(insn, regs->gpr);
}

static bool
has_operand(const struct insn *insn)
{
	return insn->has_modrm ? insn_mod(insn) != 3 : insn->disp_size != 0;
}

/* Returns the gva of the byte that is `extra` bytes behind the operand's start. */
static inline uint64_t
operand_address(const struct insn *insn, const struct insn_regs *regs, int64_t extra)
{
	enum vm_seg segment;
	uint64_t offset = operand_offset(insn, regs, &segment);

	return linear(insn, regs, segment_or(insn, segment), offset + extra);
}

int
insn_address(const struct insn *insn, const struct insn_regs *regs, uint64_t *gva)
{
	if (insn->encoding != INSN_LEGACY || !has_operand(insn))
		return -E_INVAL;
	*gva = operand_address(insn, regs, 0);
	return 0;
}

static const struct form *
find_form(const struct insn *insn)
{
	for (unsigned int i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct form *f = &forms[i];

		if (f->map == insn->map && f->opcode == (insn->opcode & f->mask) &&
		    (f->group == ANY || f->group == insn_group(insn)) &&
		    (!(f->flags & ONLY_64) || insn->mode == INSN_64))
			return f;
	}
	return NULL;
}

static uint8_t
operation(const struct insn *insn, const struct form *f)
{
	if (f->flags & BY_CODE)
		return f->op + (insn->opcode >> 3 & 7);
	return f->op + (f->flags & BY_GROUP ? insn_group(insn) : 0);
}

static uint8_t
memory_width(const struct insn *insn, const struct form *f)
{
	bool odd = insn->opcode & 1;

	if (f->flags & EXTEND && insn->map == INSN_MAP_0F)
		return odd ? 2 : 1;
	if (f->flags & EXTEND) /* MOVSXD */
		return 4;
	return f->flags & BYTE && !odd ? 1 : insn->operand_size;
}

/* Without REX the byte registers 4 to 7 are the second bytes of the first four. */
static void
set_reg(const struct insn *insn, const struct form *f, struct insn_mem *mem)
{
	mem->reg_width = f->flags & EXTEND ? insn->operand_size : mem->width;
	mem->reg = insn->has_modrm ? insn_reg(insn) : REG_RAX;
	mem->high_byte = mem->reg_width == 1 && !insn->rex && mem->reg >= 4;
	if (mem->high_byte)
		mem->reg -= 4;
}

static void
set_source(const struct insn *insn, const struct form *f, struct insn_mem *mem)
{
	if (f->flags & IMM) {
		mem->source = INSN_FROM_IMM;
		mem->imm = low_bytes(insn->imm, mem->width);
		if (f->flags & BITS)
			mem->imm &= 8 * mem->width - 1;
	} else if (f->flags & REG) {
		mem->source = INSN_FROM_REG;
		set_reg(insn, f, mem);
	}
}

/*
 * A bit number in a register is signed, and selects an element as well.  Returns that element's
 * distance in bytes.
 */
static int64_t
bit_element(const struct insn_mem *mem, const uint64_t *gpr)
{
	unsigned int bits = 8 * mem->width;
	int64_t bit = (int64_t)sign_extend(gpr[mem->reg], mem->width);

	if (mem->op > INSN_BTC || mem->source != INSN_FROM_REG)
		return 0;
	return (bit & -(int64_t)bits) / 8;
}

int
insn_mem(const struct insn *insn, struct insn_mem *mem)
{
	const struct form *f = insn->encoding == INSN_LEGACY ? find_form(insn) : NULL;

	if (!f || !(f->flags & STRING || has_operand(insn)))
		return -E_INVAL;
	*mem = (struct insn_mem){
	        .op = operation(insn, f),
	        .width = memory_width(insn, f),
	        .to_reg = f->flags & TO_REG,
	        .reg_first = f->flags & TO_REG && f->flags & BY_CODE,
	        .sign = f->flags & SIGN,
	        .rep = f->flags & STRING && insn->prefixes & (INSN_REP | INSN_REPNE),
	};
	if (f->flags & R)
		mem->access |= VM_ACCESS_READ;
	if (f->flags & W && mem->op != INSN_CMP)
		mem->access |= VM_ACCESS_WRITE;
	if (mem->op == INSN_CMP)
		mem->to_reg = false;
	set_source(insn, f, mem);
	return 0;
}

static uint64_t
element_gva(const struct insn *insn, const struct insn_mem *mem, const struct insn_regs *regs,
            bool written)
{
	if (mem->op < INSN_MOVS)
		return operand_address(insn, regs, bit_element(mem, regs->gpr));
	if (written)
		return linear(insn, regs, SEG_ES, regs->gpr[REG_RDI]);
	return linear(insn, regs, segment_or(insn, SEG_DS), regs->gpr[REG_RSI]);
}

uint64_t
insn_mem_gva(const struct insn *insn, const struct insn_mem *mem, const struct insn_regs *regs,
             bool written)
{
	if (mem->op < INSN_BT)
		return operand_address(insn, regs, 0);
	return element_gva(insn, mem, regs, written);
}

uint64_t
insn_reg_get(const struct insn_mem *mem, const uint64_t *gpr)
{
	return low_bytes(gpr[mem->reg] >> (mem->high_byte ? 8 : 0), mem->reg_width);
}

void
insn_reg_set(const struct insn_mem *mem, uint64_t *gpr, uint64_t value)
{
	unsigned int shift = mem->high_byte ? 8 : 0;
	uint64_t mask = low_bytes(UINT64_MAX, mem->reg_width) << shift;

	if (mem->reg_width == 4)
		mask = UINT64_MAX;
	value = low_bytes(value, mem->reg_width) << shift;
	gpr[mem->reg] = (gpr[mem->reg] & ~mask) | value;
}
