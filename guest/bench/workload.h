#ifndef NESTLING_GUEST_BENCH_WORKLOAD_H
#define NESTLING_GUEST_BENCH_WORKLOAD_H

#include <stdint.h>

/* Shared by the page-table workloads procs and pgfault. */

/*
 * Accesses that may fault.  Unlike accesses through volatile pointers, they tell the compiler that
 * a page-fault handler may have run and changed any variable.
 */
static inline uint64_t
faulting_load(uint64_t va)
{
	uint64_t value;

	__asm__ volatile("movq (%1), %0" : "=r"(value) : "r"(va) : "memory");
	return value;
}

static inline void
faulting_store(uint64_t va, uint64_t value)
{
	__asm__ volatile("movq %1, (%0)" : : "r"(va), "r"(value) : "memory");
}

/*
 * A checksum of the values read and of the faults.  It is the same on every machine where these are
 * the same.
 */
enum { CHECKSUM_START = 1 };

static inline uint64_t
checksum_add(uint64_t sum, uint64_t value)
{
	sum = (sum ^ value) * 0x9e3779b97f4a7c15;
	return sum ^ sum >> 32;
}

/* Returns the checksum as it is printed, in 8 digits. */
static inline uint32_t
checksum_short(uint64_t sum)
{
	return sum ^ sum >> 32;
}

#endif
