#ifndef NESTLING_BOOT_IMAGE_H
#define NESTLING_BOOT_IMAGE_H

/*
 * The disk image, for assembly, C and tools/mkimage.py, which reads the
 * numbers below from this file:
 *
 *   sector 0                  boot sector
 *   IMAGE_LOADER_LBA          loader, IMAGE_LOADER_SECTORS
 *   IMAGE_HEADER_LBA          struct image_header, IMAGE_HEADER_SECTORS
 *   IMAGE_DATA_LBA            kernel, then initrd, each from a sector's start
 */
#define SECTOR_SIZE          512
#define IMAGE_LOADER_LBA     1
#define IMAGE_LOADER_SECTORS 32
#define IMAGE_HEADER_LBA     33
#define IMAGE_HEADER_SECTORS 4
#define IMAGE_DATA_LBA       40
#define IMAGE_VERSION        1
#define IMAGE_CMDLINE_MAX    1024       /* with the closing 0 */
#define IMAGE_MAGIC          0x474c534e /* "NSLG" */
#define LOADER_MAGIC         0x4c4c534e /* "NSLL": the loader's first word */

/*
 * Memory below 1 MiB while the loader runs.  All but the two buffers lies in the 64 KiB that real
 * mode reaches with segment 0.
 */
#define BOOT_SECTOR_BASE  0x7c00
#define LOADER_BASE       0x8000
#define LOADER_END        0xf000  /* end of the loader's data */
#define LOADER_STACK      0xfff0  /* grows down to LOADER_END */
#define IO_BUFFER         0x10000 /* where INT 13h puts sectors */
#define IO_BUFFER_SECTORS 64
#define HEAD_BUFFER       0x20000 /* the kernel file's first HEAD_BUFFER_SIZE bytes */
#define HEAD_BUFFER_SIZE  0x8000

/* Every message of boot sector and loader starts like this, and the launcher looks for it. */
#define BOOT_ERROR_PREFIX "nestling: cannot boot: "

#ifndef __ASSEMBLER__
#include <stdint.h>

struct image_extent {
	uint32_t lba;
	uint32_t size; /* in bytes */
};

struct image_header {
	uint32_t magic;
	uint32_t version;
	struct image_extent kernel;
	struct image_extent initrd;
	char cmdline[IMAGE_CMDLINE_MAX]; /* with its closing 0 */
};

_Static_assert(sizeof(struct image_header) <= IMAGE_HEADER_SECTORS * SECTOR_SIZE,
               "the image header fits its sectors");
#endif

#endif
