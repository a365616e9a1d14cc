#ifndef NESTLING_TESTS_UNIT_ELFFILE_H
#define NESTLING_TESTS_UNIT_ELFFILE_H

#include "lib/elf.h"

/* The headers of an ELF executable, from which tests of ELF files start. */
struct image {
	struct elf_header h;
	struct elf_segment s[ELF_LOADS_MAX + 2];
};

/* Returns a header as a linker makes it, with so many program headers right behind it. */
static inline struct elf_header
example_header(uint64_t entry, uint16_t segments)
{
	return (struct elf_header){
	        .magic = ELF_MAGIC,
	        .class = ELF_CLASS64,
	        .data = ELF_DATA_LE,
	        .ident_version = ELF_VERSION,
	        .type = ELF_TYPE_EXEC,
	        .machine = ELF_MACHINE_X86_64,
	        .version = ELF_VERSION,
	        .entry = entry,
	        .phoff = sizeof(struct elf_header),
	        .phentsize = sizeof(struct elf_segment),
	        .phnum = segments,
	};
}

#endif
