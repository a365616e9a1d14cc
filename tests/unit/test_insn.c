// SOURCES: lib/insn/insn.c lib/insn/table.c
// LIBS: Zydis
/*
 * lib/insn against Zydis, in all modes.  An instruction that Zydis accepts, insn_decode accepts
 * with the same length; one that Zydis refuses, insn_decode refuses.  The table of differences has
 * all exceptions.
 */
#include "inc/error.h"
#include "tests/unit/zydis.h"

enum { STRINGS_LEAST = 5000000, RANDOM_EACH = 1000000, MAPS = 2, POOL = 4096 };

static uint64_t seed = 20240229;
static unsigned long strings, valid;

/* The opcodes of the one-byte map and of the 0F map that Zydis accepts in some form. */
static bool known[MODES][MAPS][256];

static bool
knights_corner(const struct sample *s)
{
	ZydisISASet set = s->z.meta.isa_set;

	return s->z_ok && (s->z.encoding == ZYDIS_INSTRUCTION_ENCODING_MVEX ||
	                   set == ZYDIS_ISA_SET_KNCE || set == ZYDIS_ISA_SET_KNCJKBR ||
	                   set == ZYDIS_ISA_SET_KNCSTREAM || set == ZYDIS_ISA_SET_KNCV ||
	                   set == ZYDIS_ISA_SET_KNC_MISC || set == ZYDIS_ISA_SET_KNC_PF_HINT);
}

/* Maps in which all instructions have one layout, or in which the opcode comes last (3DNow!). */
static bool
uniform(const struct insn *i)
{
	return i->encoding != INSN_LEGACY || i->map > INSN_MAP_0F ||
	       (i->map == INSN_MAP_0F && i->opcode == 0x0f);
}

static bool
unassigned(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_DECODING_ERROR && uniform(&s->insn);
}

static bool
undefined_form(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_DECODING_ERROR && !uniform(&s->insn) &&
	       known[s->mode][s->insn.map][s->insn.opcode];
}

static bool
bad_register(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_BAD_REGISTER;
}

static bool
illegal_lock(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_ILLEGAL_LOCK && s->insn.prefixes & INSN_LOCK;
}

static bool
malformed_evex(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_MALFORMED_EVEX && s->insn.encoding == INSN_EVEX;
}

static bool
invalid_mask(const struct sample *s)
{
	return s->z_status == ZYDIS_STATUS_INVALID_MASK && s->insn.encoding == INSN_EVEX;
}

static struct difference {
	bool z_ok; /* Zydis accepts it */
	const char *what, *why;
	bool (*is)(const struct sample *s);
	unsigned long count;
} differences[] = {
        {true, "Knights Corner", "these chips have neither VMX nor SVM", knights_corner, 0},
        {false, "undefined form", "other forms of the opcode have this length", undefined_form, 0},
        {false, "unassigned opcode", "all opcodes of the map have this length", unassigned, 0},
        {false, "register that is not there", "no matter for the length", bad_register, 0},
        {false, "LOCK where it is not allowed", "no matter for the length", illegal_lock, 0},
        {false, "reserved bits of EVEX", "no matter for the length", malformed_evex, 0},
        {false, "mask that EVEX must have or not", "no matter for the length", invalid_mask, 0},
};

enum { DIFFERENCES = sizeof(differences) / sizeof(differences[0]) };

static void
explain(const struct sample *s)
{
	for (int i = 0; i < DIFFERENCES; i++) {
		struct difference *d = &differences[i];

		if (d->z_ok == s->z_ok && d->is(s)) {
			d->count++;
			return;
		}
	}
	disagree(s, s->z_ok == !s->error ? "length" : "validity");
}

/* Compares only the low bytes: Zydis extends the sign in some cases. */
static bool
same(uint64_t a, uint64_t b, unsigned int size)
{
	return size == 0 || (a ^ b) << (64 - 8 * size) == 0;
}

static unsigned int
prefixes_seen(const struct sample *s)
{
	unsigned int seen = 0;

	for (int i = 0; i < s->z.raw.prefix_count; i++)
		switch (s->z.raw.prefixes[i].value) {
		case 0x66:
			seen |= INSN_OPSIZE;
			break;
		case 0x67:
			seen |= INSN_ADDRSIZE;
			break;
		case 0xf0:
			seen |= INSN_LOCK;
			break;
		case 0xf2:
			seen = (seen & ~INSN_REP) | INSN_REPNE;
			break;
		case 0xf3:
			seen = (seen & ~INSN_REPNE) | INSN_REP;
		}
	return seen;
}

/* Compares ModRM, SIB, displacement and immediates of an instruction that both accept.  The mod of
 * ModRM is left out, since Zydis corrects that of MOV CR. */
static void
check_fields(const struct sample *s)
{
	const struct insn *i = &s->insn;
	bool modrm = s->z.attributes & ZYDIS_ATTRIB_HAS_MODRM;
	bool sib = s->z.attributes & ZYDIS_ATTRIB_HAS_SIB;

	if (i->prefixes != prefixes_seen(s))
		disagree(s, "prefixes");
	if (i->has_modrm != modrm || i->has_sib != sib)
		disagree(s, "ModRM and SIB");
	if (modrm && (insn_group(i) != s->z.raw.modrm.reg || (i->modrm & 7) != s->z.raw.modrm.rm))
		disagree(s, "ModRM");
	if (i->disp_size * 8 != s->z.raw.disp.size ||
	    !same(i->disp, s->z.raw.disp.value, i->disp_size))
		disagree(s, "displacement");
	/* Zydis takes the opcode of 3DNow! for an immediate. */
	if (s->z.encoding == ZYDIS_INSTRUCTION_ENCODING_3DNOW)
		return;
	if (i->imm_size * 8 != s->z.raw.imm[0].size || i->imm2_size * 8 != s->z.raw.imm[1].size ||
	    !same(i->imm, s->z.raw.imm[0].value.u, i->imm_size) ||
	    !same(i->imm2, s->z.raw.imm[1].value.u, i->imm2_size))
		disagree(s, "immediates");
}

/* The strings of which mutations are made. */
static uint8_t pool[POOL][INPUT];

static void
compare(const uint8_t *bytes)
{
	struct sample s;

	strings++;
	for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++) {
		decode_both(&s, bytes, mode);
		if (s.z_ok != !s.error || (s.z_ok && s.z.length != s.insn.len))
			explain(&s);
		else if (s.z_ok)
			check_fields(&s);
		if (s.error && s.error != -E_INVAL)
			disagree(&s, "error");
		if (s.z_ok && ++valid % 512 == 0)
			memcpy(pool[valid / 512 % POOL], bytes, INPUT);
	}
}

/* The prefixes that select an instruction or a size; those with REX come last. */
static const struct prefix_set {
	uint8_t n, bytes[2];
} prefix_sets[] = {
        {0, {0}},    {1, {0x66}}, {1, {0xf2}},       {1, {0xf3}},
        {1, {0x67}}, {1, {0xf0}}, {2, {0x66, 0xf2}}, {2, {0x66, 0xf3}},
        {1, {0x48}}, {1, {0x45}}, {2, {0x66, 0x48}}, {2, {0x67, 0x41}},
};

enum { SETS_NO_REX = 8, PREFIX_SETS = sizeof(prefix_sets) / sizeof(prefix_sets[0]) };

/* Writes the prefixes and the escapes of a legacy map.  Returns the opcode's place. */
static unsigned int
legacy(uint8_t *bytes, const struct prefix_set *set, unsigned int map)
{
	static const uint8_t escape[] = {0, 0, 0x38, 0x3a};
	unsigned int n = set->n;

	memcpy(bytes, set->bytes, n);
	if (map > 0)
		bytes[n++] = 0x0f;
	if (map > 1)
		bytes[n++] = escape[map];
	return n;
}

/* Tries every ModRM; the bytes behind it are valid opcodes of 3DNow!. */
static bool
zydis_knows(enum insn_mode mode, unsigned int map, uint8_t opcode)
{
	ZydisDecodedInstruction z;

	for (unsigned int set = 0; set < (mode == INSN_64 ? PREFIX_SETS : SETS_NO_REX); set++)
		for (unsigned int modrm = 0; modrm < 256; modrm++) {
			uint8_t bytes[INPUT];
			unsigned int n;

			memset(bytes, 0x9e, INPUT);
			n = legacy(bytes, &prefix_sets[set], map);
			bytes[n] = opcode;
			bytes[n + 1] = modrm;
			if (ZYAN_SUCCESS(ZydisDecoderDecodeInstruction(zydis(mode), NULL, bytes,
			                                               INPUT, &z)))
				return true;
		}
	return false;
}

/* The two maps of opcodes that exist agree with Zydis, in each mode. */
static void
test_opcodes(void **state)
{
	(void)state;
	for (enum insn_mode mode = INSN_16; mode <= INSN_64; mode++)
		for (unsigned int map = 0; map < MAPS; map++)
			for (unsigned int opcode = 0; opcode < 256; opcode++) {
				uint8_t bytes[INPUT] = {0};
				unsigned int n = legacy(bytes, &prefix_sets[0], map);
				struct sample s;

				bytes[n] = opcode;
				decode_both(&s, bytes, mode);
				known[mode][map][opcode] = zydis_knows(mode, map, opcode);
				if (s.insn.encoding == INSN_LEGACY &&
				    known[mode][map][opcode] != !s.error)
					disagree(&s, "opcode");
			}
}

static void
test_legacy_maps(void **state)
{
	uint8_t bytes[INPUT];

	(void)state;
	for (unsigned int set = 0; set < PREFIX_SETS; set++)
		for (unsigned int map = 0; map < 4; map++)
			for (unsigned int i = 0; i < 256 * 256; i++) {
				unsigned int n = legacy(bytes, &prefix_sets[set], map);

				bytes[n] = i >> 8;
				bytes[n + 1] = i;
				random_bytes(&seed, bytes + n + 2, INPUT - n - 2);
				compare(bytes);
			}
}

/* VEX's long form and XOP: the prefix's third byte has W, vvvv, L and pp.  vvvv is often 1111, as
 * if unused. */
static void
sweep_vex(uint8_t escape, unsigned int first_map)
{
	uint8_t bytes[INPUT];

	for (unsigned int map = first_map; map < first_map + 3; map++)
		for (unsigned int i = 0; i < 16 * 256 * 256; i++) {
			uint32_t bits = random32(&seed);

			bytes[0] = escape;
			bytes[1] = (bits & 1 ? 0xe0 : bits & 0xe0) | map;
			bytes[2] = (i >> 16 & 7) | (i >> 12 & 0x80) |
			           (bits & 2 ? 0x78 : bits >> 8 & 0x78);
			bytes[3] = i >> 8;
			bytes[4] = i;
			random_bytes(&seed, bytes + 5, INPUT - 5);
			compare(bytes);
		}
}

static void
test_vex(void **state)
{
	(void)state;
	sweep_vex(0xc4, 1);
}

static void
test_xop(void **state)
{
	(void)state;
	sweep_vex(0x8f, 8);
}

/* Tries every opcode with every pp, W, L'L and b, and with ModRM with and without memory and SIB.
 */
static void
test_evex(void **state)
{
	uint8_t bytes[INPUT];

	(void)state;
	for (unsigned int map = 0; map < 8; map++)
		for (unsigned int i = 0; i < 256 * 64 * 8; i++) {
			uint32_t bits = random32(&seed);

			bytes[0] = 0x62;
			bytes[1] = (bits & 1 ? 0xf0 : bits & 0xf0) | map;
			bytes[2] = (i & 3) | 4 | (i & 4 ? 0x80 : 0) |
			           (bits & 2 ? 0x78 : bits >> 8 & 0x78);
			bytes[3] = (i >> 3 & 7) << 4 | (bits & 4 ? 8 : bits >> 24 & 0x8f);
			bytes[4] = i >> 6;
			bytes[5] = (i >> 14 & 1 ? 0xc0 : bits >> 16 & 0xc0) | (bits >> 8 & 0x38) |
			           (i >> 15 & 3) | (i >> 14 & 1) << 2;
			random_bytes(&seed, bytes + 6, INPUT - 6);
			compare(bytes);
		}
}

static void
test_random(void **state)
{
	uint8_t bytes[INPUT];

	(void)state;
	for (int i = 0; i < RANDOM_EACH; i++) {
		random_bytes(&seed, bytes, INPUT);
		compare(bytes);
	}
}

/* Writes some prefixes, mostly a few, but up to more than an instruction can have. */
static void
test_prefixes(void **state)
{
	static const uint8_t begin[] = {0x0f, 0x0f, 0xc4, 0xc5, 0x62, 0x8f, 0xf6, 0xf7};
	uint8_t bytes[INPUT];

	(void)state;
	for (int i = 0; i < RANDOM_EACH; i++) {
		uint32_t bits = random32(&seed);
		unsigned int count = bits & 7 ? bits >> 8 & 3 : bits >> 8 & 15;

		random_bytes(&seed, bytes, INPUT);
		for (unsigned int j = 0; j < count; j++)
			bytes[j] = random_prefix(&seed);
		if (bits & 0x70)
			bytes[count] = begin[bits >> 16 & 7];
		compare(bytes);
	}
}

static void
mutate(uint8_t *bytes)
{
	uint32_t bits = random32(&seed);
	unsigned int at = bits >> 8 & 7;

	switch (bits & 3) {
	case 0:
		bytes[at] ^= 1 << (bits >> 16 & 7);
		break;
	case 1:
		bytes[at] = bits >> 16;
		break;
	case 2:
		memmove(bytes + at + 1, bytes + at, INPUT - at - 1);
		bytes[at] = random_prefix(&seed);
		break;
	case 3:
		memmove(bytes + at, bytes + at + 1, INPUT - at - 1);
	}
}

static void
test_mutated(void **state)
{
	uint8_t bytes[INPUT];

	(void)state;
	for (int i = 0; i < RANDOM_EACH; i++) {
		memcpy(bytes, pool[random32(&seed) % POOL], INPUT);
		for (uint32_t times = random32(&seed) & 3; times != UINT32_MAX; times--)
			mutate(bytes);
		compare(bytes);
	}
}

/*
 * With fewer bytes than the instruction's length the answer is "more", unless every continuation
 * is invalid.  With more bytes the answer stays.  The buffers have the exact size, so that the
 * sanitizer sees their ends.
 */
static void
check_ends(const struct sample *s)
{
	int last = -E_AGAIN;

	for (unsigned int n = 0; n < INPUT; n++) {
		uint8_t *exact = malloc(n ? n : 1);
		struct insn insn;
		int error;

		memcpy(exact, s->bytes, n);
		error = insn_decode(&insn, exact, n, s->mode);
		free(exact);
		if (error != last && last != -E_AGAIN)
			disagree(s, "more bytes change the answer");
		if (s->error ? error == 0 : error != (n < s->insn.len ? -E_AGAIN : 0))
			disagree(s, "fewer bytes");
		if (!error && memcmp(&insn, &s->insn, sizeof(insn)) != 0)
			disagree(s, "bytes behind the instruction matter");
		last = error;
	}
	if (last != s->error)
		disagree(s, "15 bytes");
}

static void
test_ends(void **state)
{
	uint8_t bytes[INPUT];

	(void)state;
	for (int i = 0; i < RANDOM_EACH / 20; i++) {
		struct sample s;

		memcpy(bytes, pool[random32(&seed) % POOL], INPUT);
		if (i & 1)
			mutate(bytes);
		decode_both(&s, bytes, i % MODES);
		check_ends(&s);
	}
}

/* Runs last: every difference in the table has come, and there were enough strings. */
static void
test_differences(void **state)
{
	(void)state;
	printf("%lu strings in %d modes, %lu instructions\n", strings, MODES, valid);
	for (int i = 0; i < DIFFERENCES; i++) {
		const struct difference *d = &differences[i];

		printf("%10lu  %s only: %s (%s)\n", d->count, d->z_ok ? "Zydis" : "insn", d->what,
		       d->why);
		assert_true(d->count > 0);
	}
	assert_true(strings >= STRINGS_LEAST);
}

UNIT_MAIN(cmocka_unit_test(test_opcodes), cmocka_unit_test(test_legacy_maps),
          cmocka_unit_test(test_vex), cmocka_unit_test(test_xop), cmocka_unit_test(test_evex),
          cmocka_unit_test(test_random), cmocka_unit_test(test_prefixes),
          cmocka_unit_test(test_mutated), cmocka_unit_test(test_ends),
          cmocka_unit_test(test_differences))
