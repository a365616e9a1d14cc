#ifndef NESTLING_GUEST_KERNEL_CPU_H
#define NESTLING_GUEST_KERNEL_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/cpuid.h"
#include "inc/x86.h"

/* CPUID, its features, and hypercalls (cpu.c). */

/* Reads the features.  The loader has already executed cpuids_so_far CPUIDs. */
void cpu_init(uint64_t cpuids_so_far);

/* Executes CPUID and counts it. */
struct cpuid_regs guest_cpuid(uint32_t leaf, uint32_t subleaf);
/* Returns how many CPUIDs the guest has executed since power on. */
uint64_t guest_cpuids(void);
/* Counts n CPUIDs that the caller has executed without guest_cpuid(). */
void guest_count_cpuids(uint64_t n);

/* Returns true if CPUID named Nestling as the hypervisor at boot. */
bool in_nestling(void);
bool cpu_is_amd(void);
/* Returns the number of logical processors in the package; valid where CPUID shows HTT. */
unsigned int cpu_processors(void);

/* Registers of CPUID leaves: 1, 7 and 80000001h ("X1"). */
enum cpuid_word { CPUID_1_ECX, CPUID_1_EDX, CPUID_7_EBX, CPUID_X1_ECX, CPUID_X1_EDX, CPUID_WORDS };
/* Returns true if a CPUID register showed a feature bit at boot. */
bool cpu_has(enum cpuid_word word, uint32_t bit);

/* Makes a hypercall with arguments *rbx and *rcx, which get further results.  Returns RAX. */
uint64_t hypercall(uint64_t number, uint64_t *rbx, uint64_t *rcx);

#endif
