#ifndef NESTLING_LIB_INSN_INSN_H
#define NESTLING_LIB_INSN_INSN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "inc/vm.h"

/*
 * The x86 decoder, for instruction lengths where the CPU does not tell them (SVM without NRIPS) and
 * for instructions that access device memory.  Pure: no state, no memory but its arguments.
 *
 * Every instruction gets its exact length: x87, MMX, SSE, 3DNow!, VEX, EVEX and XOP too.  An opcode
 * that the one-byte or the 0F map does not have in the mode is refused.  What does not change a
 * length is not checked, for the CPU has raised #UD: undefined ModRM and prefix forms, LOCK where
 * it is not allowed, unassigned opcodes of the maps in which all instructions have the same layout.
 */

/* By the D and L bits of CS: real and virtual-8086 mode are INSN_16. */
enum insn_mode { INSN_16, INSN_32, INSN_64 };

enum insn_prefix {
	INSN_OPSIZE = 1 << 0,   /* 66 */
	INSN_ADDRSIZE = 1 << 1, /* 67 */
	INSN_LOCK = 1 << 2,     /* F0 */
	INSN_REPNE = 1 << 3,    /* F2; of F2 and F3 only the last counts */
	INSN_REP = 1 << 4,      /* F3 */
};

enum insn_encoding { INSN_LEGACY, INSN_VEX, INSN_EVEX, INSN_XOP };

/* The maps that have names; XOP's are 8, 9 and 10, EVEX's 1, 2, 3, 5 and 6. */
enum insn_map { INSN_MAP_1BYTE, INSN_MAP_0F, INSN_MAP_0F38, INSN_MAP_0F3A };

enum { INSN_REX_W = 8, INSN_REX_R = 4, INSN_REX_X = 2, INSN_REX_B = 1 };

struct insn {
	uint8_t len;      /* bytes, at most VM_INSN_MAX */
	uint8_t mode;     /* enum insn_mode */
	uint8_t prefixes; /* enum insn_prefix, or-ed; legacy prefixes, mandatory ones too */
	uint8_t segment;  /* enum vm_seg of the last override that counts, SEG_COUNT without one */
	uint8_t rex;      /* 40..4f, or 0 without REX; VEX, EVEX and XOP: 0 too */
	uint8_t encoding; /* enum insn_encoding */
	uint8_t map;      /* enum insn_map and others */
	uint8_t opcode;   /* in its map */
	uint8_t operand_size; /* 2, 4, 8: by mode, prefix and REX.W; not all opcodes obey */
	uint8_t address_size; /* 2, 4, 8 */
	bool has_modrm, has_sib;
	uint8_t modrm; /* 0 if not there; of MOV CR and DR with mod 3, as the CPU reads it */
	uint8_t sib;   /* 0 if not there */
	uint8_t disp_size, imm_size, imm2_size; /* bytes in the instruction, 0: none */
	uint64_t disp; /* sign-extended; also the offset of MOV AL, moffs, zero-extended */
	uint64_t imm;  /* sign-extended; also of relative branches; offset of a far pointer */
	uint64_t imm2; /* ENTER's level; far pointer's selector; second byte of EXTRQ, INSERTQ */
};

static inline unsigned int
insn_mod(const struct insn *i)
{
	return i->modrm >> 6;
}

/* The reg field as an opcode extension. */
static inline unsigned int
insn_group(const struct insn *i)
{
	return i->modrm >> 3 & 7;
}

/* The reg field as a register, with REX.R. */
static inline unsigned int
insn_reg(const struct insn *i)
{
	return insn_group(i) | (i->rex & INSN_REX_R ? 8 : 0);
}

/* The rm field as a register, with REX.B: when there is no memory operand. */
static inline unsigned int
insn_rm(const struct insn *i)
{
	return (i->modrm & 7) | (i->rex & INSN_REX_B ? 8 : 0);
}

/*
 * Decodes the instruction at the start of bytes[n].  -E_AGAIN if it goes on behind them; -E_INVAL
 * if it is none or is longer than VM_INSN_MAX.  On errors *insn is unspecified. A near branch with
 * 66 in 64-bit mode has a 16-bit displacement, as on AMD's CPUs, which are those without a length
 * from the hardware; Intel's ignore the prefix.
 */
int insn_decode(struct insn *insn, const uint8_t *bytes, size_t n, enum insn_mode mode);

/*
 * What addresses are computed from.  In 64-bit mode only the base of an overriding FS or GS is
 * read, insn->segment's; in the others that of any segment may be.
 */
struct insn_regs {
	const uint64_t *gpr; /* REG_COUNT of them */
	uint64_t rip;        /* of the instruction */
	uint64_t base[SEG_GS + 1];
};

/*
 * The gva of the memory operand (ModRM or moffs), with the segment's base.  -E_INVAL without such
 * an operand, and for VEX, EVEX and XOP (scaled displacements, vectors of addresses).  LEA's and
 * NOP's operands are computed like all others.
 */
int insn_address(const struct insn *insn, const struct insn_regs *regs, uint64_t *gva);

/* The first eight in the order of their opcodes and of group 1. */
enum insn_op {
	INSN_ADD,
	INSN_OR,
	INSN_ADC,
	INSN_SBB,
	INSN_AND,
	INSN_SUB,
	INSN_XOR,
	INSN_CMP,
	INSN_TEST,
	INSN_MOV, /* MOVZX, MOVSX and MOVSXD too */
	INSN_XCHG,
	INSN_XADD,
	INSN_CMPXCHG, /* compares with rAX as well */
	INSN_BT,
	INSN_BTS,
	INSN_BTR,
	INSN_BTC,
	INSN_NOT,
	INSN_NEG,
	INSN_INC,
	INSN_DEC,
	INSN_MOVS,
	INSN_STOS,
	INSN_LODS,
};

enum insn_source {
	INSN_NO_SOURCE, /* INC, MOVS and so on */
	INSN_FROM_REG,
	INSN_FROM_IMM,
};

/*
 * An instruction with one operand in memory, or two (MOVS).  The other is a register or an
 * immediate. The result goes to memory if access has VM_ACCESS_WRITE; to the register if to_reg;
 * XCHG and XADD: to both; CMP, TEST and BT set flags only.
 */
struct insn_mem {
	uint8_t op;     /* enum insn_op */
	uint8_t width;  /* bytes in memory: 1, 2, 4, 8 */
	uint8_t access; /* VM_ACCESS_READ and _WRITE, to memory */
	uint8_t source; /* enum insn_source; FROM_REG too where the register only takes the result
	                 */
	uint8_t reg;    /* enum vm_reg; AH, CH, DH, BH: reg of rAX..rBX with high_byte set */
	uint8_t reg_width; /* bytes of the register, more than width for MOVZX and MOVSX */
	bool high_byte;
	bool to_reg;
	bool reg_first; /* the first eight: the register is the left operand, memory the right */
	bool sign;      /* MOVSX: extend the sign to reg_width, otherwise zero */
	bool rep;       /* MOVS, STOS, LODS: repeat by rCX */
	uint64_t imm;   /* of width; BT and so on with an immediate: the bit, less than 8 * width */
};

/*
 * What the instruction does with memory; by the instruction alone.  -E_INVAL when it has no memory
 * operand or is none of enum insn_op.
 */
int insn_mem(const struct insn *insn, struct insn_mem *mem);

/*
 * Where: the gva written, or the one read, which differ for MOVS only.  Of the first element of a
 * string operation, and of the element that a BT with a register as bit number selects.  Limits and
 * rights are not checked.
 */
uint64_t insn_mem_gva(const struct insn *insn, const struct insn_mem *mem,
                      const struct insn_regs *regs, bool written);

/* The value of mem->reg before the instruction, mem->reg_width bytes. */
uint64_t insn_reg_get(const struct insn_mem *mem, const uint64_t *gpr);

/* Writes the register as the CPU does: 4 bytes clear the upper half, 1 and 2 leave the rest. */
void insn_reg_set(const struct insn_mem *mem, uint64_t *gpr, uint64_t value);

/* The operand that is not in memory, of mem->width bytes; 0 without one.  What MOV and STOS write.
 */
uint64_t insn_source(const struct insn_mem *mem, const uint64_t *gpr);

/*
 * Executes it, but for its accesses to memory: in is what was read, if access has VM_ACCESS_READ;
 * the result is what to write, if it has VM_ACCESS_WRITE.  Changes registers and rflags as the CPU
 * does, but RIP; flags that the manual leaves undefined stay or become 0.  Of string operations,
 * one element, without what insn_step() does.
 */
uint64_t insn_execute(const struct insn_mem *mem, uint64_t in, uint64_t *gpr, uint64_t *rflags);

/*
 * A string operation is done with an element: moves its pointers on and counts.  True if it was the
 * last one.  Of other instructions the only one is.
 */
bool insn_step(const struct insn *insn, const struct insn_mem *mem, uint64_t *gpr, uint64_t rflags);

/* Instructions that SVM intercepts without saying their operands (no decode assists). */
enum insn_sys_op {
	INSN_MOV_TO_CR,
	INSN_MOV_FROM_CR,
	INSN_MOV_TO_DR,
	INSN_MOV_FROM_DR,
	INSN_LMSW,
	INSN_SMSW,
	INSN_CLTS,
	INSN_INS,
	INSN_OUTS,
};

struct insn_sys {
	uint8_t op;      /* enum insn_sys_op */
	uint8_t number;  /* of the control or debug register; LMSW, SMSW, CLTS: 0 */
	uint8_t reg;     /* enum vm_reg of the other operand, unless memory */
	bool memory;     /* LMSW, SMSW: the operand is at insn_address() */
	bool rep;        /* INS, OUTS: repeat by rCX */
	uint8_t width;   /* bytes of the operand; INS, OUTS: of an item */
	uint8_t segment; /* INS, OUTS: enum vm_seg of the buffer */
};

/* -E_INVAL for other instructions.  LOCK MOV CR0 is CR8, AMD's way to it outside 64-bit mode. */
int insn_sys(const struct insn *insn, struct insn_sys *sys);

#endif
