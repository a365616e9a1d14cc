#ifndef NESTLING_TESTS_UNIT_GMEMVM_H
#define NESTLING_TESTS_UNIT_GMEMVM_H

#include <stdbool.h>
#include <stdint.h>

#include "tests/unit/guesttables.h"
#include "vmm/fetch.h"
#include "vmm/regs.h"
#include "vmm/vmm.h"

/* A VM for tests of vmm/gmem.c and vmm/fetch.c: its RAM is an array, and it has one vCPU. */

enum { RAM = 1 << 20, DATA = 0x40000 };

extern uint8_t ram[RAM];
extern struct vm vm;
extern struct vcpu vcpu;

/* The registers that the vCPU reports. */
extern struct gmem_vm_regs {
	uint64_t cr0, cr3, cr4, efer;
	unsigned int cpl;
	enum insn_mode mode;
} regs;

/* Another vCPU writes this entry whenever an accessed bit is about to be set, so many times. */
extern struct race {
	uint64_t *entry, value;
	unsigned int left;
} race;
enum { IGNORED = 1 << 9, FOR_EVER = 1000 * 1000 };

/* When the lock is free, another vCPU's monitor moves all frames away, and then back. */
extern struct move {
	bool pending, done;
	unsigned int left;
} move;
extern uint8_t moved[RAM];

/* Turns paging on, in 64-bit mode. */
void long_mode(void);

/* A setup function for cmocka: empties the VM's RAM. */
int gmem_vm_setup(void **state);

#define GMEM_TEST(test) cmocka_unit_test_setup(test, gmem_vm_setup)

#endif
