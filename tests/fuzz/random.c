/* Runs a fuzz target on seeded random bytes: PROGRAM [RUNS]. */
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 8192, RUNS = 500 };

int
main(int argc, char **argv)
{
	unsigned long runs = argc > 1 ? strtoul(argv[1], NULL, 10) : RUNS;
	static uint8_t input[INPUT_MAX];

	for (unsigned long run = 1; run <= runs; run++) {
		uint64_t seed = run * 0x9e3779b97f4a7c15u;
		size_t size = seed >> 40 & (INPUT_MAX - 1);
		for (size_t i = 0; i < size; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			input[i] = seed >> 56;
		}
		LLVMFuzzerTestOneInput(input, size);
	}
	printf("%lu inputs\n", runs);
	return 0;
}
