#ifndef NESTLING_INC_MEMLAYOUT_H
#define NESTLING_INC_MEMLAYOUT_H

/*
 * The host's virtual memory, for C, assembly and linker scripts.
 *
 *   ffffffff80000000  KERNBASE      the kernel image, linked 1 MiB above; W^X
 *   ffffe00000000000  KTABLE_BASE   tables that the kernel makes once at boot and that must be
 *                                   contiguous
 *   ffffd00000000000  MMIO_BASE     device registers (LAPIC), uncached
 *   ffffc00000000000  CPU_BASE      one CPU_SPAN a CPU: struct cpu, guard pages, stacks
 *   ffff800000000000  DIRECT_BASE   all RAM, writable, never executable
 *   0000004000000000  UHEAP_BASE    memory of malloc()
 *   0000000020000000  UVM_RAM       where the monitor `vm` keeps its guest's RAM, and behind that
 *                                   the disk image
 *   0000000010000000  ULOG_BASE     where the shell keeps the logs of its jobs: lib/user/log.h
 *   0000000000600000  USTACK_TOP    user stack, grows down
 *   00000000005a0000  URUN_BASE     where the monitor maps run pages
 *   0000000000580000  UJOB_BASE     where a job keeps its own log
 *   0000000000400000  UTEXT         user programs
 *
 * What a small monitor needs lies close together, so that five pages of page tables map it.
 */
#define KERNBASE    0xffffffff80000000
#define KERN_PHYS   0x100000 /* where the kernel image is loaded */
#define KTABLE_BASE 0xffffe00000000000
#define KAUDIT_BASE 0xffffe04000000000 /* one of them: what an audit knows of each frame */
#define MMIO_BASE   0xffffd00000000000
#define CPU_BASE    0xffffc00000000000
#define CPU_SPAN    0x10000
#define ULIM        0x0000800000000000 /* user addresses are below */
#define USTACK_TOP  0x0000000000600000
#define USTACK_SIZE 0x40000
#define UVM_RAM     0x0000000020000000
#define URUN_BASE   0x00000000005a0000
#define UJOB_BASE   0x0000000000580000
#define ULOG_BASE   0x0000000010000000
#define UHEAP_BASE  0x0000004000000000
#define UTEXT       0x0000000000400000

/* Unit tests keep their `RAM' elsewhere. */
#ifndef DIRECT_BASE
#define DIRECT_BASE 0xffff800000000000
#endif

#define CPUS_MAX 8

/* Selectors of the host's GDT. */
#define SEL_KCODE 0x08
#define SEL_KDATA 0x10
#define SEL_UDATA 0x1b
#define SEL_UCODE 0x23
#define SEL_TSS   0x28

/* Interrupt vectors of the host. */
#define T_IRQ_BASE 0x20 /* + n: legacy IRQ n; all but the serial port's are masked */
#define T_SYSCALL  0x30
#define T_TIMER    0x40
#define T_IPI      0x41 /* from another CPU */
#define T_SPURIOUS 0xff

#endif
