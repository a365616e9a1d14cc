#ifndef NESTLING_KERN_DEV_ACPI_H
#define NESTLING_KERN_DEV_ACPI_H

#include <stdint.h>

#include "inc/memlayout.h"

/*
 * The firmware's list of CPUs: the MADT among the ACPI tables (ACPI Specification, "ACPI
 * Software Programming Model").  Needs firmware_map() (kern/mem/pmap.h) and nothing else, so that
 * it is tested natively too.  Every length and checksum is checked: firmware data are input like
 * any other.
 */

enum { ACPI_RSDP_SIZE = 36 }; /* of the larger kind, ACPI 2.0's */

struct acpi_cpus {
	unsigned int count;
	uint8_t apic_id[CPUS_MAX]; /* of CPUs that are enabled, in the firmware's order */
	unsigned int left_out;     /* more CPUs than CPUS_MAX, or with an APIC id above 254 */
};

/* The RSDP in an area of the firmware's that may hold one, on a boundary of 16; NULL without. */
const void *acpi_scan(const void *area, uint64_t size);

/* Fills *out from the RSDP, of which `size` bytes can be read.  NULL, or what is wrong: a text. */
const char *acpi_find_cpus(const void *rsdp, uint64_t size, struct acpi_cpus *out);

#endif
