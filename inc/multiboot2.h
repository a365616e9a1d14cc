#ifndef NESTLING_INC_MULTIBOOT2_H
#define NESTLING_INC_MULTIBOOT2_H

/*
 * How a kernel is started, by GRUB and by our own loader alike (Multiboot2
 * Specification, version 2.0).  For C and assembly.
 *
 * The kernel file carries a header in its first MB2_HEADER_SEARCH bytes.  The
 * loader enters it in 32-bit protected mode with flat segments, paging and
 * interrupts off, MB2_BOOT_MAGIC in eax and the physical address of the
 * information in ebx.  There is no stack.
 */
#define MB2_HEADER_MAGIC  0xe85250d6
#define MB2_HEADER_SEARCH 32768
#define MB2_HEADER_ALIGN  8
#define MB2_ARCH_I386     0
#define MB2_BOOT_MAGIC    0x36d76289

/* Tags of the header: 16-bit type, 16-bit flags, 32-bit size, content; each aligned to 8. */
#define MB2_HEADER_END          0
#define MB2_HEADER_INFO_REQUEST 1 /* types of information tags that the kernel needs */
#define MB2_HEADER_ENTRY        3 /* 32-bit physical entry address */
#define MB2_HEADER_MODULE_ALIGN 6 /* modules start on a page boundary */
#define MB2_HEADER_OPTIONAL     1 /* flag: a loader that does not know the tag may ignore it */

/* Tags of the information: 32-bit type, 32-bit size, content; each aligned to 8. */
#define MB2_TAG_END         0
#define MB2_TAG_CMDLINE     1
#define MB2_TAG_LOADER_NAME 2
#define MB2_TAG_MODULE      3
#define MB2_TAG_MMAP        6
#define MB2_TAG_ACPI_OLD    14 /* a copy of the RSDP of ACPI 1.0 */
#define MB2_TAG_ACPI_NEW    15 /* a copy of the RSDP of ACPI 2.0 and later */
#define MB2_TAG_ALIGN       8

/* Types of a memory map entry; every other value is not usable either. */
#define MB2_MEM_RAM      1
#define MB2_MEM_RESERVED 2

#ifndef __ASSEMBLER__
#include <stdint.h>

struct mb2_header {
	uint32_t magic;
	uint32_t architecture;
	uint32_t length;   /* length of the header with its tags, in bytes */
	uint32_t checksum; /* makes the sum of these four words 0 */
};

struct mb2_header_tag {
	uint16_t type;
	uint16_t flags;
	uint32_t size; /* without the padding that follows */
};

struct mb2_header_entry {
	struct mb2_header_tag tag;
	uint32_t entry;
};

/* The information starts with this, at an address aligned to MB2_TAG_ALIGN; tags follow. */
struct mb2_info {
	uint32_t total_size;
	uint32_t reserved;
};

struct mb2_tag {
	uint32_t type;
	uint32_t size; /* without the padding that follows */
};

/* MB2_TAG_CMDLINE and MB2_TAG_LOADER_NAME. */
struct mb2_tag_string {
	struct mb2_tag tag;
	char string[]; /* with its closing 0 */
};

struct mb2_tag_module {
	struct mb2_tag tag;
	uint32_t start; /* hpa */
	uint32_t end;   /* hpa behind the last byte */
	char string[];  /* with its closing 0 */
};

struct mb2_mmap_entry {
	uint64_t base;
	uint64_t size;
	uint32_t type;
	uint32_t reserved;
};

/* Walk entries by entry_size, which may be larger than struct mb2_mmap_entry. */
struct mb2_tag_mmap {
	struct mb2_tag tag;
	uint32_t entry_size;
	uint32_t entry_version;
	struct mb2_mmap_entry entries[];
};

_Static_assert(sizeof(struct mb2_header) == 16, "Multiboot2 header");
_Static_assert(sizeof(struct mb2_mmap_entry) == 24, "Multiboot2 memory map entry");
_Static_assert(sizeof(struct mb2_tag_mmap) == 16, "Multiboot2 memory map tag");
#endif

#endif
