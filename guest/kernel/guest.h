#ifndef NESTLING_GUEST_KERNEL_GUEST_H
#define NESTLING_GUEST_KERNEL_GUEST_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest/boot/boot.h"
#include "inc/cpuid.h"
#include "inc/x86.h"

/* The guest's kernel: what its files share.  Traps and interrupts: trap.h.  Commands: command.h. */

/* From entry.S, once; never returns. */
_Noreturn void guest_main(const struct boot_info *info);

/* COM1 (console.c). */
void console_init(void);
void putchar(char c);
/* Sends what printf and putchar still hold back. */
void console_flush(void);
/* Waits, but not for ever, until the UART takes a full FIFO. */
void console_wait(void);
/* Waits, halted, for a byte. */
char getchar(void);
bool console_has_input(void); /* getchar() would not wait */
int printf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
int vprintf(const char *fmt, va_list ap);

_Noreturn void power_off(uint8_t status);

/* CPUID, counted: nothing else in the kernel executes it. */
struct cpuid_regs guest_cpuid(uint32_t leaf, uint32_t subleaf);
uint64_t guest_cpuids(void);
/* For code that executes n of them by itself. */
void guest_count_cpuids(uint64_t n);
/* Is this a VM of Nestling's?  Asked once, at boot. */
bool in_nestling(void);
bool cpu_is_amd(void);
/* Logical processors in the package, where CPUID says HTT. */
unsigned int cpu_processors(void);
/* A hypercall, with its two arguments, which become further results. */
uint64_t hypercall(uint64_t number, uint64_t *rbx, uint64_t *rcx);
void cpu_init(uint64_t cpuids_so_far);
/* One CPUID feature bit; used through CPU_HAS. */
enum cpuid_word { CPUID_1_ECX, CPUID_1_EDX, CPUID_7_EBX, CPUID_X1_ECX, CPUID_X1_EDX, CPUID_WORDS };
bool cpu_has(enum cpuid_word word, uint32_t bit);

/*
 * Memory (mem.c): all RAM is mapped at DIRECT, its kernel part read-only or
 * executable only at its link address.  WINDOW is a range for tests, empty at first.
 */
#define DIRECT        0xffffa00000000000
#define WINDOW        0x0000000040000000 /* below 4 GiB: 32-bit addresses and ring 3 reach it */
#define WINDOW_PAGES  512
#define NON_CANONICAL 0x0000900000000000

void mem_init(uint64_t ram);
uint64_t mem_ram(void);
static inline void *
direct(uint64_t pa)
{
	return (void *)(DIRECT + pa);
}
/* RAM that nobody has touched since power on: fresh pages in one piece, or NULL. */
void *mem_fresh(uint64_t pages);
/* One such page in 2 MiB that nobody has touched: a VM's RAM may come in pieces of that size. */
void *mem_fresh_alone(void);
/* 4 KiB pages that mem_fresh has left. */
uint64_t mem_fresh_left(void);
/* Physical address of a DIRECT or kernel address. */
uint64_t mem_pa(const void *p);
/* Maps page n of WINDOW to pa with PTE_ flags; flags 0 unmaps.  Returns its address. */
uint8_t *window_map(unsigned int n, uint64_t pa, uint64_t flags);
/* The same without INVLPG. */
uint8_t *window_set(unsigned int n, uint64_t pa, uint64_t flags);
/* Maps the first 2 MiB where they are, too, for a CPU that starts there, or no more; CR3. */
uint64_t mem_map_low(bool on);
/* Copies the kernel's half of its root into the root of another address space. */
void mem_share_kernel(uint64_t *other);
/* RAM for tests, ordinary memory of TEST_PAGES pages. */
enum { TEST_PAGES = 4 };
extern uint8_t test_pages[TEST_PAGES * 4096];

/* The HPET that a VM has: its registers' page, and in it the counter, which stands until told to
 * run. */
#define HPET_PA      0xfed00000
#define HPET_COUNTER 0xf0

/*
 * Several CPUs (smp.c), in a VM of Nestling's that has them.  The first one runs the shell, the
 * others wait for work.
 */
enum { CPUS_MAX = 8 };
void smp_init(void);
unsigned int smp_count(void);
unsigned int smp_this(void); /* of the CPU that asks; the first is 0 */
/* Runs fn on all CPUs at once, with the CPU's number; comes back when all are done. */
void smp_run(void (*fn)(unsigned int cpu));
/* While another CPU has to do something: lets it. */
void smp_relax(void);
/* Sends an interrupt to a CPU, to all others with SMP_OTHERS. */
enum { SMP_OTHERS = -1 };
void smp_send(int cpu, unsigned int vector);
/* The local APIC of this CPU. */
uint32_t lapic_read(unsigned int reg);
void lapic_write(unsigned int reg, uint32_t value);
enum {
	LAPIC_ID = 0x20,
	LAPIC_EOI = 0xb0,
	LAPIC_SVR = 0xf0,
	LAPIC_ICR = 0x300,
	LAPIC_ICR_HIGH = 0x310,
	LAPIC_LVT_TIMER = 0x320,
	LAPIC_INITIAL = 0x380,
	LAPIC_DIVIDE = 0x3e0,
	LAPIC_PERIODIC = 1 << 17,
	LAPIC_DIVIDE_1 = 0xb,
};

/* Statistics over samples of TSC ticks (guest/bench/bench.c). */
enum { SAMPLES_MAX = 65536 };
extern uint32_t samples[SAMPLES_MAX];
struct summary {
	uint32_t median, min, p95, max;
};
/* Sorts samples[0..n), n > 0. */
struct summary summarize(unsigned int n);
/* Difference of two TSC values as a sample. */
static inline uint32_t
sample_of(uint64_t from, uint64_t to)
{
	return to - from > UINT32_MAX ? UINT32_MAX : to - from;
}

#endif
