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
 * Every instruction gets its exact length, x87, MMX, SSE, 3DNow!, VEX, EVEX and XOP included.  An
 * opcode that the one-byte map or the 0F map does not have in the mode is refused.  Errors that do
 * not change the length are not checked, since the CPU has raised #UD for them: undefined ModRM and
 * prefix forms, LOCK where it is not allowed, unassigned opcodes of the maps in which all
 * instructions have the same layout.
 */

/* The size of code, by the D and L bits of CS.  Real and virtual-8086 mode are INSN_16. */
enum insn_mode { INSN_16, INSN_32, INSN_64 };

enum insn_prefix {
	INSN_OPSIZE = 1 << 0,   /* 66 */
	INSN_ADDRSIZE = 1 << 1, /* 67 */
	INSN_LOCK = 1 << 2,     /* F0 */
	INSN_REPNE = 1 << 3,    /* F2; of F2 and F3 only the last one counts */
	INSN_REP = 1 << 4,      /* F3 */
};

enum insn_encoding { INSN_LEGACY, INSN_VEX, INSN_EVEX, INSN_XOP };

/* The opcode maps with names.  XOP has the maps 8, 9 and 10; EVEX has 1, 2, 3, 5 and 6. */
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
	uint8_t opcode;   /* the opcode's number in its map */
	uint8_t operand_size; /* 2, 4, 8: by mode, prefix and REX.W; not all opcodes obey */
	uint8_t address_size; /* 2, 4, 8 */
	bool has_modrm, has_sib;
	uint8_t modrm; /* 0 if not there; MOV CR and DR: with mod 3, as the CPU reads it */
	uint8_t sib;   /* 0 if not there */
	uint8_t disp_size, imm_size, imm2_size; /* bytes in the instruction, 0: none */
	uint64_t disp; /* sign-extended; also the offset of MOV AL, moffs, zero-extended */
	uint64_t imm;  /* sign-extended; also of relative branches; a far pointer's offset */
	uint64_t imm2; /* ENTER's level; a far pointer's selector; EXTRQ's second byte */
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

/* The rm field as a register, with REX.B, where it is not a memory operand. */
static inline unsigned int
insn_rm(const struct insn *i)
{
	return (i->modrm & 7) | (i->rex & INSN_REX_B ? 8 : 0);
}

/*
 * Decodes the instruction at the start of bytes[n].  Returns -E_AGAIN if the instruction goes on
 * behind these bytes, -E_INVAL if it is none or is longer than VM_INSN_MAX; *insn is unspecified
 * then.
 *
 * In 64-bit mode a near branch with the prefix 66 has a 16-bit displacement, as on AMD's CPUs: only
 * among them are some without a length from the hardware.  Intel's CPUs ignore the prefix.
 */
int insn_decode(struct insn *insn, const uint8_t *bytes, size_t n, enum insn_mode mode);

/*
 * The registers that addresses are computed from.  In 64-bit mode only the base of an overriding FS
 * or GS is read, base[insn->segment]; in the other modes any base may be.
 */
struct insn_regs {
	const uint64_t *gpr; /* REG_COUNT registers */
	uint64_t rip;        /* RIP of the instruction */
	uint64_t base[SEG_GS + 1];
};

/*
 * Computes the gva of the memory operand (ModRM or moffs), with the segment's base.  Returns
 * -E_INVAL if there is none, and for VEX, EVEX and XOP (scaled displacements, vectors of
 * addresses).  Operands of LEA and NOP are computed like all others.
 */
int insn_address(const struct insn *insn, const struct insn_regs *regs, uint64_t *gva);

/* Operations.  The first eight stand in the order of their opcodes and of group 1. */
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
	INSN_CMPXCHG, /* also compares with rAX */
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
 * An instruction with one operand in memory, or two (MOVS).  With one, the other operand is a
 * register or an immediate.  The result goes to memory if access has VM_ACCESS_WRITE, to the
 * register if to_reg, and to both for XCHG and XADD.  CMP, TEST and BT set flags only.
 */
struct insn_mem {
	uint8_t op;     /* enum insn_op */
	uint8_t width;  /* bytes in memory: 1, 2, 4, 8 */
	uint8_t access; /* accesses to memory: VM_ACCESS_READ, VM_ACCESS_WRITE */
	uint8_t source; /* enum insn_source; FROM_REG also if the register only gets the result */
	uint8_t reg;    /* enum vm_reg; AH, CH, DH, BH: reg of rAX..rBX with high_byte set */
	uint8_t reg_width; /* bytes of the register, more than width for MOVZX and MOVSX */
	bool high_byte;
	bool to_reg;
	bool reg_first; /* the first eight: the register is the left operand, memory the right */
	bool sign;      /* MOVSX: extend the sign to reg_width; otherwise zero */
	bool rep;       /* MOVS, STOS, LODS: repeat by rCX */
	uint64_t imm;   /* cut to width; BT and its kin: the bit's number, below 8 * width */
};

/*
 * Finds out what an instruction does with memory, by the instruction alone.  Returns -E_INVAL if it
 * has no memory operand or is none of enum insn_op.
 */
int insn_mem(const struct insn *insn, struct insn_mem *mem);

/*
 * Returns the gva that is written, or the one that is read; they differ for MOVS only.  For a
 * string operation it is the gva of the first element; for a BT with a bit number in a register, of
 * the element that the number selects.  Limits and rights are not checked.
 */
uint64_t insn_mem_gva(const struct insn *insn, const struct insn_mem *mem,
                      const struct insn_regs *regs, bool written);

/* Returns the value of mem->reg, mem->reg_width bytes. */
uint64_t insn_reg_get(const struct insn_mem *mem, const uint64_t *gpr);

/* Writes mem->reg as the CPU does: 4 bytes clear the upper half, 1 and 2 leave the rest. */
void insn_reg_set(const struct insn_mem *mem, uint64_t *gpr, uint64_t value);

/*
 * Returns the operand that is not in memory, mem->width bytes, or 0 without one.  MOV and STOS
 * write it.
 */
uint64_t insn_source(const struct insn_mem *mem, const uint64_t *gpr);

/*
 * Executes an instruction, but for its accesses to memory.  `in` is the value that was read, if
 * access has VM_ACCESS_READ; the result is the value to write, if it has VM_ACCESS_WRITE.  Changes
 * registers and flags as the CPU does, but not RIP.  Flags that the manual leaves undefined stay or
 * become 0.  Of a string operation it executes one element; insn_step() moves on to the next.
 */
uint64_t insn_execute(const struct insn_mem *mem, uint64_t in, uint64_t *gpr, uint64_t *rflags);

/*
 * Ends an element of a string operation: moves the pointers on and counts.  Returns true if it was
 * the last one, and for every other instruction.
 */
bool insn_step(const struct insn *insn, const struct insn_mem *mem, uint64_t *gpr, uint64_t rflags);

/*
 * Instructions that SVM intercepts without giving their operands, on a CPU without decode assists.
 */
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
	uint8_t number;  /* number of the control or debug register; LMSW, SMSW, CLTS: 0 */
	uint8_t reg;     /* enum vm_reg of the other operand, unless memory */
	bool memory;     /* LMSW, SMSW: the operand is at insn_address() */
	bool rep;        /* INS, OUTS: repeat by rCX */
	uint8_t width;   /* bytes of the operand; INS, OUTS: of an item */
	uint8_t segment; /* INS, OUTS: enum vm_seg of the buffer */
};

/*
 * Finds the operands of such an instruction.  Returns -E_INVAL for others.  LOCK MOV CR0 is CR8:
 * AMD's way to it outside of 64-bit mode.
 */
int insn_sys(const struct insn *insn, struct insn_sys *sys);

#endif
