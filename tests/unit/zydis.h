#ifndef NESTLING_TESTS_UNIT_ZYDIS_H
#define NESTLING_TESTS_UNIT_ZYDIS_H

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <Zydis/Zydis.h>

#include "lib/insn/insn.h"
#include "tests/unit/unit.h"

/* Tests of lib/insn share this: both decoders get the same bytes. */

enum { MODES = INSN_64 + 1, INPUT = VM_INSN_MAX + 1 };

struct sample {
	uint8_t bytes[INPUT]; /* one more than an instruction may have, so that none ends early */
	enum insn_mode mode;
	int error;
	struct insn insn;
	bool z_ok;
	ZyanStatus z_status;
	ZydisDecodedInstruction z;
	ZydisDecoderContext z_context;
};

/* Decodes as AMD's CPUs do: 66 counts for branches, and MPX's opcodes are NOPs, as they are on
 * Intel's newer CPUs. */
static inline void
zydis_init(ZydisDecoder decoder[MODES])
{
	ZydisDecoderInit(&decoder[INSN_16], ZYDIS_MACHINE_MODE_LEGACY_16, ZYDIS_STACK_WIDTH_16);
	ZydisDecoderInit(&decoder[INSN_32], ZYDIS_MACHINE_MODE_LEGACY_32, ZYDIS_STACK_WIDTH_32);
	ZydisDecoderInit(&decoder[INSN_64], ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
	for (int i = 0; i < MODES; i++) {
		ZydisDecoderEnableMode(&decoder[i], ZYDIS_DECODER_MODE_AMD_BRANCHES, ZYAN_TRUE);
		ZydisDecoderEnableMode(&decoder[i], ZYDIS_DECODER_MODE_MPX, ZYAN_FALSE);
	}
}

static inline const ZydisDecoder *
zydis(enum insn_mode mode)
{
	static ZydisDecoder decoder[MODES];
	static bool ready;

	if (!ready)
		zydis_init(decoder);
	ready = true;
	return &decoder[mode];
}

static inline void
decode_both(struct sample *s, const uint8_t *bytes, enum insn_mode mode)
{
	memcpy(s->bytes, bytes, INPUT);
	s->mode = mode;
	s->error = insn_decode(&s->insn, bytes, INPUT, mode);
	s->z_status =
	        ZydisDecoderDecodeInstruction(zydis(mode), &s->z_context, bytes, INPUT, &s->z);
	s->z_ok = ZYAN_SUCCESS(s->z_status);
}

/* Prints the results of both decoders for a sample, and fails the test. */
static inline void
disagree(const struct sample *s, const char *about)
{
	static const int bits[] = {16, 32, 64};

	printf("%d-bit:", bits[s->mode]);
	for (int i = 0; i < INPUT; i++)
		printf(" %02x", s->bytes[i]);
	printf("\n%s: insn_decode says %d, length %u; Zydis says %s (%x), length %u\n", about,
	       s->error, s->insn.len, s->z_ok ? ZydisMnemonicGetString(s->z.mnemonic) : "no",
	       s->z_status, s->z_ok ? s->z.length : 0);
	fail();
}

static inline void
random_bytes(uint64_t *seed, uint8_t *bytes, size_t n)
{
	while (n--)
		*bytes++ = random32(seed);
}

/* Returns a random prefix: a legacy one, or any REX. */
static inline uint8_t
random_prefix(uint64_t *seed)
{
	static const uint8_t prefix[] = {0x66, 0x67, 0xf2, 0xf3, 0x26, 0x2e,
	                                 0x36, 0x3e, 0x64, 0x65, 0xf0, 0x66};
	uint32_t n = random32(seed) % (sizeof(prefix) + 4);

	return n < sizeof(prefix) ? prefix[n] : 0x40 | (random32(seed) & 15);
}

#endif
