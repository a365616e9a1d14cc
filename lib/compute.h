#ifndef NESTLING_LIB_COMPUTE_H
#define NESTLING_LIB_COMPUTE_H

#include <stdint.h>

/*
 * Work that touches nothing but registers and the memory that it is given.  The host's user space
 * and the guest run the same code (`efficiency`), so that the ticks can be compared.
 *
 *   X(name, what it does)
 */
#define COMPUTE_TABLE(X)                                                      \
	X(integer, "integer arithmetic, each step on the result of the last") \
	X(memory, "read and write one word of each cache line, in order")     \
	X(branches, "branches that depend on data")

/* Words of the memory: 64 MiB. */
#define COMPUTE_WORDS (64ull << 20 >> 3)

/* Each returns a result that depends on all of the work, and on mem[0..COMPUTE_WORDS). */
#define X(name, text) uint64_t compute_##name(uint64_t *mem);
COMPUTE_TABLE(X)
#undef X

enum {
#define X(name, text) COMPUTE_##name,
	COMPUTE_TABLE(X)
#undef X
	        COMPUTE_KERNELS
};

#endif
