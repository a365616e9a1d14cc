#include "lib/elf.h"

#include "lib/string.h"

const char *
elf_header_fault(const void *head, size_t head_size)
{
	const struct elf_header *h = head;

	if (head_size < sizeof(*h) || h->magic != ELF_MAGIC)
		return "is not an ELF file";
	if (h->class != ELF_CLASS64 || h->data != ELF_DATA_LE || h->machine != ELF_MACHINE_X86_64)
		return "is not for x86-64";
	if (h->type != ELF_TYPE_EXEC || h->ident_version != ELF_VERSION ||
	    h->version != ELF_VERSION)
		return "is not an executable ELF file";
	if (h->phentsize != sizeof(struct elf_segment) || h->phoff > head_size ||
	    h->phnum > (head_size - (size_t)h->phoff) / sizeof(struct elf_segment))
		return "has bad program headers";
	return NULL;
}

unsigned int
elf_segments(const void *head)
{
	return ((const struct elf_header *)head)->phnum;
}

uint64_t
elf_entry(const void *head)
{
	return ((const struct elf_header *)head)->entry;
}

bool
elf_segment(const void *head, unsigned int i, struct elf_segment *s)
{
	const struct elf_header *h = head;

	/* A copy, since program headers may lie at any offset. */
	memcpy(s, (const char *)head + h->phoff + i * sizeof(*s), sizeof(*s));
	return s->type == ELF_PT_LOAD && s->memsz;
}

bool
elf_is_code(const struct elf_segment *s, uint64_t va)
{
	return (s->flags & ELF_PF_X) && va >= s->vaddr && va - s->vaddr < s->memsz;
}
