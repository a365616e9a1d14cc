#ifndef NESTLING_LIB_INSN_BYTES_H
#define NESTLING_LIB_INSN_BYTES_H

#include <stdint.h>

/* Values of less than 64 bits, for the decoder's files. */

/* Clears the bits above the low `count` bytes, 1 to 8. */
static inline uint64_t
low_bytes(uint64_t value, unsigned int count)
{
	return value & UINT64_MAX >> (64 - 8 * count);
}

/* Extends the sign of a value of `count` bytes, 1 to 8. */
static inline uint64_t
sign_extend(uint64_t value, unsigned int count)
{
	unsigned int unused = 64 - 8 * count;

	return (uint64_t)((int64_t)(value << unused) >> unused);
}

#endif
