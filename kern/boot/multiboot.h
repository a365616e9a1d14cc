#ifndef NESTLING_KERN_BOOT_MULTIBOOT_H
#define NESTLING_KERN_BOOT_MULTIBOOT_H

#include <stdint.h>

/* Fills boot_info from the Multiboot2 information at this hpa.  Panics on one that makes no sense.
 */
void multiboot_init(uint64_t info_pa);

#endif
