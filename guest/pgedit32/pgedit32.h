#ifndef NESTLING_GUEST_PGEDIT32_PGEDIT32_H
#define NESTLING_GUEST_PGEDIT32_PGEDIT32_H

/*
 * t/pgedit32: random edits of 32-bit and PAE page tables.  It is a small kernel in 32-bit mode,
 * which the boot sector reads whole, and it takes commands from COM1.
 *
 * Physical memory, mapped where it is below MAPPED_END:
 *   08000   program, then its bss, up to PROGRAM_END
 *   200000  image of the frames
 *   280000  the kernel's tables
 *   400000  the pool
 */
#include "guest/boot/boot.h"
#include "inc/mmu.h"

#define PROGRAM_END 0x80000
#define IMAGE_AT    0x200000
#define TABLES_AT   0x280000
#define POOL_AT     0x400000
#define MAPPED_END  0x1400000
/* Virtual addresses of one page of code, for the user and for the supervisor. */
#define CODE_USER     0x2000000
#define CODE_KERNEL   0x2001000

#define SEL_UCODE32   0x1b
#define SEL_UDATA32   0x23
#define SEL_TSS32     0x28

#define TRAP_DONE     0x30
#define TRAP_STUBS    0x31

#define STACK_BYTES   0x2000

#define ANSWER_VECTOR 0
#define ANSWER_ERROR  4
#define ANSWER_EAX    8
#define ANSWER_CR2    12
#define ANSWER_EIP    16
#define ANSWER_BYTES  20

#ifndef __ASSEMBLER__
#include <stdbool.h>
#include <stdint.h>

struct pg;

/* start.S calls this. */
_Noreturn void guest_main(void);
/* Prints a trap that no access has caused, and powers off.  start.S calls it. */
_Noreturn void unexpected_trap(void);

/* COM1 (main.c): prints a line. */
void say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/*
 * machine.c.  Sets up segments and traps, once; then fills in *t for one format and this processor.
 */
void machine_init(void);
void machine_prepare(struct pg *t, bool pae);
/* Switches paging on, with tables of the kernel's own, or off. */
void machine_paging(bool on, bool pae);
#endif

#endif
