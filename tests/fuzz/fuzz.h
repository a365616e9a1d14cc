#ifndef NESTLING_TESTS_FUZZ_FUZZ_H
#define NESTLING_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/*
 * A fuzz target interprets bytes as operations.  The bytes come from libFuzzer, which looks for
 * new coverage (make fuzz), or from a seeded generator, which makes the same bytes on every run
 * (tests/fuzz/random.c, in make check).
 */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
	const uint8_t *data;
	size_t size;
};

/* Takes the next byte; 0 behind the end. */
static inline uint8_t
take(struct input *in)
{
	if (in->size == 0)
		return 0;
	in->size--;
	return *in->data++;
}

#endif
