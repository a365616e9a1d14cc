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
 * A VM under shadow paging, as vmm/shadow/ sees one: its RAM is an array, it has one vCPU, and the
 * rest of the hypervisor is what those files call, which notes what it was called for.
 */

enum {
	RAM = 8 << 20,
	TABLE_PAGES = 24, /* of the guest's tables, from TABLES on; the first is what CR3 holds */
};

extern uint8_t ram[RAM];
extern struct vm vm;
extern struct vcpu vcpu;

/* What the vCPU says of itself, beside what shadow paging keeps. */
extern unsigned int cpl;
extern uint64_t rflags;

/* Of the frames that RAM lies in: all are large; none is writable before an access to write. */
extern bool large_frames, cow;
/* 0, or the gpa of a page that lies in the last frame of ram now. */
extern uint64_t moved;

/* Counts how often console input might come in. */

/* Counts the flushes of the hardware's TLB. */
extern unsigned int flushes;

/* What came of the last fault that was not a shadow's: #PF with gva and error, another exception,
 * an access to a device's gpa, a table of the guest's at a gpa where there is no memory. */
extern struct fault_answer {
	bool pf, mmio, no_memory;
	uint64_t gva, gpa;
	uint32_t error;
	unsigned int exception;
} got;

/* A random number below n: the same numbers in every test. */
uint32_t below(uint32_t n);

/* Puts the guest into a paging mode, with CR0.WP. */
void mode_long(void);
void mode_pae(void);
void mode_legacy(void);
void set_mode(uint64_t cr0, uint64_t cr4, uint64_t efer);

/* The gpa of PAE's four top entries, number n, outside the tables. */
uint64_t pae_top(unsigned int n);

/* For cmocka: a VM with empty RAM; and that nothing is left of its shadows. */
int shadow_vm_setup(void **state);
int shadow_vm_teardown(void **state);

#define SHADOW_TEST(test) cmocka_unit_test_setup_teardown(test, shadow_vm_setup, shadow_vm_teardown)

#endif
