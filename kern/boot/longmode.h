#ifndef NESTLING_KERN_BOOT_LONGMODE_H
#define NESTLING_KERN_BOOT_LONGMODE_H

/* For assembly: what the code below 4 GiB knows of kern/boot/longmode.S. */

#define PHYS(symbol) ((symbol)-KERNBASE)
#define BOOT_PDS     4 /* page directories, each of which maps 1 GiB */

#endif
