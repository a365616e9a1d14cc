#ifndef NESTLING_GUEST_BOOT_CMOS_H
#define NESTLING_GUEST_BOOT_CMOS_H

#include "guest/boot/boot.h"
#include "inc/x86.h"

/*
 * Reads a 16-bit value from two CMOS registers: `reg` has the low byte, the next one the high byte.
 */
static inline uint16_t
cmos_word(uint8_t reg)
{
	uint16_t v;

	outb(CMOS_INDEX, reg);
	v = inb(CMOS_DATA);
	outb(CMOS_INDEX, reg + 1);
	return v | inb(CMOS_DATA) << 8;
}

#endif
