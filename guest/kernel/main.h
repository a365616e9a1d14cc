#ifndef NESTLING_GUEST_KERNEL_MAIN_H
#define NESTLING_GUEST_KERNEL_MAIN_H

#include <stdint.h>

#include "inc/guestboot.h"

/* Where the guest's kernel begins and where it ends (main.c). */

/* The first C code: entry.S calls it once. */
_Noreturn void guest_main(const struct boot_info *info);
_Noreturn void power_off(uint8_t status);

#endif
