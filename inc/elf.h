#ifndef NESTLING_INC_ELF_H
#define NESTLING_INC_ELF_H

#include <stdint.h>

/* 64-bit ELF executables (System V ABI, "Object Files" and "Program Loading"). */
#define ELF_MAGIC          0x464c457f /* 7f 'E' 'L' 'F', as a little-endian word */
#define ELF_CLASS64        2
#define ELF_DATA_LE        1
#define ELF_VERSION        1
#define ELF_TYPE_EXEC      2
#define ELF_MACHINE_X86_64 62

struct elf_header {
	uint32_t magic;
	uint8_t class, data, ident_version;
	uint8_t ident_rest[9];
	uint16_t type, machine;
	uint32_t version;
	uint64_t entry, phoff, shoff;
	uint32_t flags;
	uint16_t ehsize, phentsize, phnum, shentsize, shnum, shstrndx;
};

#define ELF_PT_LOAD 1
#define ELF_PF_X    1
#define ELF_PF_W    2
#define ELF_PF_R    4

struct elf_segment {
	uint32_t type, flags;
	uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

_Static_assert(sizeof(struct elf_header) == 64, "ELF64 header");
_Static_assert(sizeof(struct elf_segment) == 56, "ELF64 program header");

#endif
