#ifndef NESTLING_TESTS_UNIT_SHADOWVM_H
#define NESTLING_TESTS_UNIT_SHADOWVM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/guesttables.h"
#include "vmm/fetch.h"
#include "vmm/regs.h"
#include "vmm/shadow/shadow.h"
#include "vmm/vmm.h"

/*
 * A VM for tests of vmm/shadow/: its RAM is an array, and it has one vCPU.  The functions of the
 * hypervisor that vmm/shadow/ calls are here, too; they record their calls.
 */

enum {
	RAM = 8 << 20,
	TABLE_PAGES = 24, /* pages of the guest's tables, from TABLES on; CR3 holds the first */
};

extern uint8_t ram[RAM];
extern struct vm vm;
extern struct vcpu vcpu;

/* The registers that the vCPU reports and that shadow paging does not keep. */
extern unsigned int cpl;
extern uint64_t rflags;

/* The frames of RAM: all are large; none is writable before a write access. */
extern bool large_frames, cow;
/* The gpa of a page that lies in the last frame of ram now, or 0. */
extern uint64_t moved;

/* How often long work let console input in. */

/* How often the hardware's TLB was flushed. */
extern unsigned int flushes;

/* The result of the last fault that the guest itself caused: #PF with gva and error, another
 * exception, an access to a device's gpa, or a table of the guest at a gpa without memory. */
extern struct fault_answer {
	bool pf, mmio, no_memory;
	uint64_t gva, gpa;
	uint32_t error;
	unsigned int exception;
} got;

/* Returns a random number below n.  Each test gets the same numbers. */
uint32_t below(uint32_t n);

/* Puts the guest into a paging mode, with CR0.WP. */
void mode_long(void);
void mode_pae(void);
void mode_legacy(void);
void set_mode(uint64_t cr0, uint64_t cr4, uint64_t efer);

/* The gpa of PAE's four top entries, set number n, outside the tables. */
uint64_t pae_top(unsigned int n);

/* Functions for cmocka: set up a VM with empty RAM; check that nothing is left of its shadows. */
int shadow_vm_setup(void **state);
int shadow_vm_teardown(void **state);

#define SHADOW_TEST(test) cmocka_unit_test_setup_teardown(test, shadow_vm_setup, shadow_vm_teardown)

#endif
