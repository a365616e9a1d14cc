#include "inc/error.h"
#include "lib/insn/bytes.h"
#include "lib/insn/insn.h"
#include "lib/insn/table.h"

/* insn->len is the position: it counts the bytes taken so far. */
struct decoder {
	struct insn *insn;
	const uint8_t *bytes;
	size_t n;
	int error; /* the first error; decoding goes on with zeros, which does no harm */
};

static bool
in_64(const struct decoder *d)
{
	return d->insn->mode == INSN_64;
}

static void
fail(struct decoder *d, int error)
{
	if (!d->error)
		d->error = error;
}

/* Returns the next `count` bytes, little-endian, without taking them; 0 on errors. */
static uint64_t
peek(struct decoder *d, unsigned int count)
{
	unsigned int end = d->insn->len + count;
	uint64_t value = 0;

	if (end > VM_INSN_MAX)
		fail(d, -E_INVAL);
	else if (end > d->n)
		fail(d, -E_AGAIN);
	if (d->error)
		return 0;
	while (count--)
		value = value << 8 | d->bytes[d->insn->len + count];
	return value;
}

static uint64_t
take(struct decoder *d, unsigned int count)
{
	uint64_t value = peek(d, count);

	if (!d->error)
		d->insn->len += count;
	return value;
}

static uint64_t
take_signed(struct decoder *d, unsigned int count)
{
	return count ? sign_extend(take(d, count), count) : 0;
}

/* In 64-bit mode only FS and GS count: the others do not even cancel them. */
static void
override(struct insn *insn, enum vm_seg segment)
{
	if (insn->mode != INSN_64 || segment >= SEG_FS)
		insn->segment = segment;
}

static bool
legacy_prefix(struct insn *insn, uint8_t byte)
{
	switch (byte) {
	case 0x26:
	case 0x2e:
	case 0x36:
	case 0x3e:
		override(insn, byte >> 3 & 3);
		return true;
	case 0x64:
	case 0x65:
		override(insn, byte & 7);
		return true;
	case 0x66:
		insn->prefixes |= INSN_OPSIZE;
		return true;
	case 0x67:
		insn->prefixes |= INSN_ADDRSIZE;
		return true;
	case 0xf0:
		insn->prefixes |= INSN_LOCK;
		return true;
	case 0xf2:
	case 0xf3:
		insn->prefixes &= ~(INSN_REPNE | INSN_REP);
		insn->prefixes |= byte == 0xf2 ? INSN_REPNE : INSN_REP;
		return true;
	}
	return false;
}

/* A REX counts only as the last prefix. */
static void
prefixes(struct decoder *d)
{
	for (;;) {
		uint8_t byte = peek(d, 1);

		if (legacy_prefix(d->insn, byte))
			d->insn->rex = 0;
		else if (in_64(d) && (byte & 0xf0) == 0x40)
			d->insn->rex = byte;
		else
			return;
		take(d, 1);
	}
}

static void
sizes(struct insn *insn)
{
	bool opsize = insn->prefixes & INSN_OPSIZE, addrsize = insn->prefixes & INSN_ADDRSIZE;

	insn->operand_size = (insn->mode == INSN_16) == opsize ? 4 : 2;
	insn->address_size = (insn->mode == INSN_16) == addrsize ? 4 : 2;
	if (insn->mode == INSN_64)
		insn->address_size = addrsize ? 4 : 8;
	if (insn->rex & INSN_REX_W)
		insn->operand_size = 8;
}

static void
set_map(struct decoder *d, enum insn_encoding encoding, uint8_t map)
{
	/* Which maps exist, by encoding: a bit each. */
	static const uint16_t exist[] = {
	        [INSN_VEX] = 1 << 1 | 1 << 2 | 1 << 3,
	        [INSN_EVEX] = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 5 | 1 << 6,
	        [INSN_XOP] = 1 << 8 | 1 << 9 | 1 << 10,
	};

	if (!(exist[encoding] >> map & 1))
		fail(d, -E_INVAL);
	d->insn->encoding = encoding;
	d->insn->map = map;
}

/*
 * Takes what follows the escape byte.  Its low bits name the map, but VEX's short form has only 0F.
 */
static void
vector_prefix(struct decoder *d, uint8_t escape)
{
	uint8_t payload = take(d, 1);

	switch (escape) {
	case 0xc5:
		set_map(d, INSN_VEX, INSN_MAP_0F);
		return;
	case 0xc4:
	case 0x8f:
		take(d, 1);
		set_map(d, escape == 0xc4 ? INSN_VEX : INSN_XOP, payload & 0x1f);
		return;
	case 0x62: /* a bit that is 0 and one that is 1 in every EVEX */
		if (payload & 0x08 || !(take(d, 1) & 0x04))
			fail(d, -E_INVAL);
		take(d, 1);
		set_map(d, INSN_EVEX, payload & 7);
	}
}

/*
 * C4, C5, 62 and 8F are LES, LDS, BOUND and POP, or they begin a vector instruction.  8F begins one
 * if the next byte names a map of 8 or more, where POP has 0 in reg.  The others begin one in
 * 64-bit mode; outside of it, if the next byte as a ModRM would name a register, which LES, LDS and
 * BOUND cannot have.
 */
static bool
vector(struct decoder *d, uint8_t byte)
{
	uint8_t next;

	if (byte != 0xc4 && byte != 0xc5 && byte != 0x62 && byte != 0x8f)
		return false;
	next = peek(d, 1);
	if (byte == 0x8f ? (next & 0x1f) < 8 : !in_64(d) && next < 0xc0)
		return false;
	if (d->insn->rex || d->insn->prefixes & ~INSN_ADDRSIZE)
		fail(d, -E_INVAL);
	vector_prefix(d, byte);
	d->insn->opcode = take(d, 1);
	return true;
}

static void
opcode(struct decoder *d)
{
	struct insn *insn = d->insn;
	uint8_t byte = take(d, 1);

	if (vector(d, byte))
		return;
	if (byte == 0x0f) {
		insn->map = INSN_MAP_0F;
		byte = take(d, 1);
		if (byte == 0x38 || byte == 0x3a) {
			insn->map = byte == 0x38 ? INSN_MAP_0F38 : INSN_MAP_0F3A;
			byte = take(d, 1);
		}
	}
	insn->opcode = byte;
}

/*
 * VEX and EVEX instructions of map 0F have the same immediate byte as the legacy ones.  All have a
 * ModRM, but for VZEROUPPER (77).
 */
static uint8_t
vector_0f_layout(const struct insn *insn)
{
	if (insn->opcode == 0x77 && insn->encoding == INSN_VEX)
		return INSN_DEFINED;
	if ((insn_map_0f[insn->opcode] & INSN_IMM_MASK) == IMM_B)
		return INSN_DEFINED | INSN_MODRM | IMM_B;
	return INSN_DEFINED | INSN_MODRM;
}

/* Returns what follows the opcode, in the format of the tables. */
static uint8_t
layout(const struct insn *insn)
{
	enum { XOP_IMM8 = 8, XOP_IMM32 = 10 };

	switch (insn->map) {
	case INSN_MAP_1BYTE:
		return insn_map_1byte[insn->opcode];
	case INSN_MAP_0F:
		return insn->encoding == INSN_LEGACY ? insn_map_0f[insn->opcode]
		                                     : vector_0f_layout(insn);
	case INSN_MAP_0F3A:
	case XOP_IMM8:
		return INSN_DEFINED | INSN_MODRM | IMM_B;
	case XOP_IMM32:
		return INSN_DEFINED | INSN_MODRM | IMM_D;
	}
	return INSN_DEFINED | INSN_MODRM;
}

/*
 * Returns the size of the displacement in bytes.  With mod 0, one value of the base field means a
 * displacement without base.
 */
static unsigned int
displacement_size(const struct insn *insn)
{
	unsigned int base = (insn->has_sib ? insn->sib : insn->modrm) & 7, mod = insn_mod(insn);
	bool short_form = insn->address_size == 2;

	if (mod == 1)
		return 1;
	if (mod == 2 || (mod == 0 && base == (short_form ? 6 : 5)))
		return short_form ? 2 : 4;
	return 0;
}

static void
modrm(struct decoder *d)
{
	struct insn *insn = d->insn;

	insn->has_modrm = true;
	insn->modrm = take(d, 1);
	/* MOV CR and DR: whatever mod says, rm is a register. */
	if (insn->encoding == INSN_LEGACY && insn->map == INSN_MAP_0F &&
	    (insn->opcode & 0xfc) == 0x20)
		insn->modrm |= 0xc0;
	insn->has_sib = insn_mod(insn) != 3 && insn->address_size != 2 && (insn->modrm & 7) == 4;
	if (insn->has_sib)
		insn->sib = take(d, 1);
	insn->disp_size = displacement_size(insn);
	insn->disp = take_signed(d, insn->disp_size);
}

static void
immediate(struct decoder *d, enum insn_imm kind)
{
	struct insn *insn = d->insn;
	unsigned int z = insn->operand_size == 2 ? 2 : 4;
	bool sse4a = (insn->prefixes & INSN_REPNE) ||
	             (insn->prefixes & (INSN_OPSIZE | INSN_REP)) == INSN_OPSIZE;
	const struct {
		uint8_t first, second;
	} bytes[] = {
	        [IMM_NONE] = {0, 0},
	        [IMM_B] = {1, 0},
	        [IMM_W] = {2, 0},
	        [IMM_Z] = {z, 0},
	        [IMM_V] = {insn->operand_size, 0},
	        [IMM_D] = {4, 0},
	        [IMM_MOFFS] = {0, 0},
	        [IMM_ENTER] = {2, 1},
	        [IMM_FAR] = {z, 2},
	        [IMM_SSE4A] = {sse4a, sse4a},
	};

	if (kind == IMM_MOFFS) {
		insn->disp_size = insn->address_size;
		insn->disp = take(d, insn->disp_size);
	}
	insn->imm_size = bytes[kind].first;
	insn->imm = take_signed(d, insn->imm_size);
	insn->imm2_size = bytes[kind].second;
	insn->imm2 = take(d, insn->imm2_size);
}

int
insn_decode(struct insn *insn, const uint8_t *bytes, size_t n, enum insn_mode mode)
{
	struct decoder d = {.insn = insn, .bytes = bytes, .n = n};
	uint8_t follows;

	*insn = (struct insn){.mode = mode, .segment = SEG_COUNT};
	prefixes(&d);
	opcode(&d);
	sizes(insn);
	follows = layout(insn);
	if (!follows || (in_64(&d) && follows & INSN_NOT_64))
		fail(&d, -E_INVAL);
	if (follows & INSN_MODRM)
		modrm(&d);
	if (!(follows & INSN_TEST_IMM) || insn_group(insn) < 2)
		immediate(&d, follows & INSN_IMM_MASK);
	return d.error;
}
