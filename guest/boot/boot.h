#ifndef NESTLING_GUEST_BOOT_BOOT_H
#define NESTLING_GUEST_BOOT_BOOT_H

#include "inc/guestboot.h"

/*
 * Addresses and device registers that the guest's boot sector, loader and kernel share, for C and
 * assembly.  The layout of the disk and the kernel's entry are in inc/guestboot.h.
 *
 * Memory until the kernel has page tables of its own:
 *   06000  the first instructions of the other CPUs, copied here by smp.c
 *   07c00  boot sector, stack below
 *   08000  loader, at most LOADER_SECTORS_MAX sectors with its bss
 *   20000  the loader's page tables
 *   100000 kernel, mapped at KERNEL_BASE + 100000
 */
#define SMP_START        0x6000
#define LOADER_BASE      0x8000
#define KERNEL_PHYS_END  0x200000 /* the image and its bss end below */

#define COM1             0x3f8
#define COM1_LSR         (COM1 + 5)
#define LSR_DR           0x01
#define LSR_THRE         0x20
#define UART_FIFO        16     /* bytes that may be written once THRE is set */
#define UART_POLLS       100000 /* reads of LSR until a UART counts as dead */

#define IDE_DATA         0x1f0
#define IDE_COUNT        0x1f2
#define IDE_LBA0         0x1f3
#define IDE_LBA1         0x1f4
#define IDE_LBA2         0x1f5
#define IDE_DRIVE        0x1f6
#define IDE_STATUS       0x1f7
#define IDE_COMMAND      0x1f7
#define IDE_BSY          0x80
#define IDE_DF           0x20
#define IDE_DRQ          0x08
#define IDE_ERR          0x01
#define IDE_READ_SECTORS 0x20
#define IDE_IDENTIFY     0xec
#define IDE_MASTER_LBA   0xe0
#define IDE_POLLS        0x200000 /* reads of the status until a disk counts as dead */

#define POWER_PORT       0xf4 /* a byte written here powers the machine off with that status */

#define CMOS_INDEX       0x70
#define CMOS_DATA        0x71
#define CMOS_BASE_KIB    0x15 /* RAM below 1 MiB in KiB: the low byte; the high byte follows */
#define CMOS_EXT_KIB     0x30 /* RAM from 1 MiB on in KiB, up to 64 MiB */
#define CMOS_EXT_64KIB   0x34 /* RAM from 16 MiB on in units of 64 KiB */

#endif
