#ifndef NESTLING_GUEST_KERNEL_MEM_H
#define NESTLING_GUEST_KERNEL_MEM_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Memory (mem.c).  All RAM is mapped at DIRECT, writable.  The kernel is mapped at its link address
 * as well; its text and its read-only data cannot be written there.  WINDOW is a range for tests
 * and is empty at first.
 */
#define DIRECT        0xffffa00000000000
#define WINDOW        0x0000000040000000 /* below 4 GiB: 32-bit addresses and ring 3 reach it */
#define WINDOW_PAGES  512
#define NON_CANONICAL 0x0000900000000000

/* Builds and loads the kernel's page tables.  `ram` is the size of RAM in bytes. */
void mem_init(uint64_t ram);
/* Returns the size of RAM in bytes. */
uint64_t mem_ram(void);
/* Returns the address at DIRECT of a physical address. */
static inline void *
direct(uint64_t pa)
{
	return (void *)(DIRECT + pa);
}
/* Returns the physical address of an address at DIRECT or in the kernel. */
uint64_t mem_pa(const void *p);

/* Takes adjacent pages of RAM that nobody has touched since power on; NULL if too few are left. */
void *mem_fresh(uint64_t pages);
/*
 * Takes 2 MiB of such RAM, aligned to 2 MiB, for a page that must stay untouched until the caller
 * touches it.  A hypervisor may map RAM in pieces of that size, so the page shares its piece with
 * no other.
 */
void *mem_fresh_alone(void);
/* Returns how many 4 KiB pages mem_fresh() has left. */
uint64_t mem_fresh_left(void);

/* Maps page n of WINDOW to pa with PTE_ flags; flags 0 unmaps it.  Returns the page's address. */
uint8_t *window_map(unsigned int n, uint64_t pa, uint64_t flags);
/* Does the same without INVLPG. */
uint8_t *window_set(unsigned int n, uint64_t pa, uint64_t flags);

/*
 * Maps the first 2 MiB of RAM at address 0 as well, or unmaps it again: a CPU that starts there
 * needs it.  Returns CR3.
 */
uint64_t mem_map_low(bool on);
/* Copies the kernel's half of its root table into the root of another address space. */
void mem_share_kernel(uint64_t *other);

/* RAM that any test may use. */
enum { TEST_PAGES = 4 };
extern uint8_t test_pages[TEST_PAGES * 4096];

/*
 * A VM has an HPET: the physical address of its registers, and the offset of its main counter.
 * The counter stands still until it is told to run.
 */
#define HPET_PA      0xfed00000
#define HPET_COUNTER 0xf0

#endif
