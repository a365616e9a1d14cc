#ifndef NESTLING_USER_USERTESTS_VMTEST_H
#define NESTLING_USER_USERTESTS_VMTEST_H

#include "user/usertests/tests.h"

#include "inc/memlayout.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* What the tests of the VM calls share: a VM with 64 KiB of RAM that runs a few bytes of code. */

enum { RAM_SIZE = 0x10000, CODE = 0x1000, PORT = 0x42 };
#define RAM ((uint8_t *)UVM_RAM)
#define RUN ((struct vm_run *)URUN_BASE)
/* For a guest that went astray, in ticks; where they are real time, the machine may be busy. */
#define PATIENCE 10000000000ull

bool have_vms(void);
uint32_t new_vm(void);
/* RAM at gpa 0 that holds the code, and a vCPU in real mode in front of it. */
uint32_t new_guest(const void *code, size_t size);
void delete_guest(uint32_t vm);
/* Runs the guest to its next OUT of one byte to PORT; the byte. */
int run_to_out(uint32_t vm);

#endif
