#ifndef NESTLING_LIB_INSN_TABLE_H
#define NESTLING_LIB_INSN_TABLE_H

#include <stdint.h>

/* What follows an opcode: the format of insn_map_1byte and insn_map_0f; 0: no such instruction. */
enum {
	INSN_IMM_MASK = 0x0f, /* enum insn_imm */
	INSN_MODRM = 0x10,
	INSN_NOT_64 = 0x20,   /* no such instruction in 64-bit mode */
	INSN_TEST_IMM = 0x40, /* only the first two of the group have the immediate */
	INSN_DEFINED = 0x80,
};

enum insn_imm {
	IMM_NONE,
	IMM_B,     /* 1 byte */
	IMM_W,     /* 2 bytes */
	IMM_Z,     /* operand size, but 4 bytes at most */
	IMM_V,     /* operand size */
	IMM_D,     /* 4 bytes */
	IMM_MOFFS, /* address size: an offset, not an immediate */
	IMM_ENTER, /* 2 bytes, then 1 */
	IMM_FAR,   /* IMM_Z, then 2 bytes */
	IMM_SSE4A, /* EXTRQ, INSERTQ (66, F2): twice 1 byte; VMREAD: none */
};

extern const uint8_t insn_map_1byte[256];
extern const uint8_t insn_map_0f[256];

#endif
