#include "lib/insn/table.h"

/*
 * The two opcode maps whose instructions differ in layout.  Each cell is an opcode, as in the
 * opcode maps of Intel SDM volume 2 and AMD APM volume 3.  Prefixes and escapes are never looked
 * up: they are __, too.
 */
enum {
	__ = 0,            /* no instruction, a prefix or an escape */
	NO = INSN_DEFINED, /* nothing follows the opcode */
	MR = NO | INSN_MODRM,
	/* Layouts with an immediate. */
	IB = NO | IMM_B,
	IW = NO | IMM_W,
	IZ = NO | IMM_Z,
	IV = NO | IMM_V,
	MO = NO | IMM_MOFFS,
	EN = NO | IMM_ENTER,
	MB = MR | IMM_B,
	MZ = MR | IMM_Z,
	M4 = MR | IMM_SSE4A,
	TB = MB | INSN_TEST_IMM,
	TZ = MZ | INSN_TEST_IMM,
	/* Layouts of opcodes that do not exist in 64-bit mode. */
	NX = NO | INSN_NOT_64,
	BX = IB | INSN_NOT_64,
	RX = MR | INSN_NOT_64,
	GX = MB | INSN_NOT_64,
	FX = NO | IMM_FAR | INSN_NOT_64,
};

// clang-format off
const uint8_t insn_map_1byte[256] = {
	/*       0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
	/* 0 */ MR, MR, MR, MR, IB, IZ, NX, NX, MR, MR, MR, MR, IB, IZ, NX, __,
	/* 1 */ MR, MR, MR, MR, IB, IZ, NX, NX, MR, MR, MR, MR, IB, IZ, NX, NX,
	/* 2 */ MR, MR, MR, MR, IB, IZ, __, NX, MR, MR, MR, MR, IB, IZ, __, NX,
	/* 3 */ MR, MR, MR, MR, IB, IZ, __, NX, MR, MR, MR, MR, IB, IZ, __, NX,
	/* 4 */ NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX, NX,
	/* 5 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, NO,
	/* 6 */ NX, NX, RX, MR, __, __, __, __, IZ, MZ, IB, MB, NO, NO, NO, NO,
	/* 7 */ IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB, IB,
	/* 8 */ MB, MZ, GX, MB, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 9 */ NO, NO, NO, NO, NO, NO, NO, NO, NO, NO, FX, NO, NO, NO, NO, NO,
	/* a */ MO, MO, MO, MO, NO, NO, NO, NO, IB, IZ, NO, NO, NO, NO, NO, NO,
	/* b */ IB, IB, IB, IB, IB, IB, IB, IB, IV, IV, IV, IV, IV, IV, IV, IV,
	/* c */ MB, MB, IW, NO, RX, RX, MB, MZ, EN, NO, IW, NO, NO, IB, NX, NO,
	/* d */ MR, MR, MR, MR, BX, BX, NX, NO, MR, MR, MR, MR, MR, MR, MR, MR,
	/* e */ IB, IB, IB, IB, IB, IB, IB, IB, IZ, IZ, FX, IB, NO, NO, NO, NO,
	/* f */ __, NO, __, __, NO, NO, TB, TZ, NO, NO, NO, NO, NO, NO, MR, MR,
};

/* 0F 0F is 3DNow!, whose opcode comes last, where others have an immediate. */
const uint8_t insn_map_0f[256] = {
	/*       0   1   2   3   4   5   6   7   8   9   a   b   c   d   e   f */
	/* 0 */ MR, MR, MR, MR, __, NO, NO, NO, NO, NO, __, NO, __, MR, NO, MB,
	/* 1 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 2 */ MR, MR, MR, MR, __, __, __, __, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 3 */ NO, NO, NO, NO, NO, NO, __, NO, __, __, __, __, __, __, __, __,
	/* 4 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 5 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 6 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* 7 */ MB, MB, MB, MB, MR, MR, MR, NO, M4, MR, __, __, MR, MR, MR, MR,
	/* 8 */ IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ, IZ,
	/* 9 */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* a */ NO, NO, NO, MR, MB, MR, MR, MR, NO, NO, NO, MR, MB, MR, MR, MR,
	/* b */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MB, MR, MR, MR, MR, MR,
	/* c */ MR, MR, MB, MR, MB, MB, MB, MR, NO, NO, NO, NO, NO, NO, NO, NO,
	/* d */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* e */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
	/* f */ MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR, MR,
};
// clang-format on
