#ifndef NESTLING_KERN_BOOT_CPIO_H
#define NESTLING_KERN_BOOT_CPIO_H

#include <stdint.h>

/* One member of a cpio archive in the "newc" format.  Name and data lie in the archive. */
struct cpio_entry {
	const char *name; /* with its closing 0 */
	const void *data;
	uint32_t size, mode;
};

enum { CPIO_MODE_TYPE = 0170000, CPIO_MODE_FILE = 0100000 };

/*
 * Reads the member at *offset and moves *offset behind it.  1: e is filled; 0: the end marker;
 * -E_INVAL: the archive is damaged at *offset.  Pure; looks at no byte outside the archive.
 */
int cpio_next(const void *archive, uint64_t size, uint64_t *offset, struct cpio_entry *e);

#endif
