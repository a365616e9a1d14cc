#include "kern/elf.h"

#include <stdbool.h>

#include "inc/error.h"
#include "inc/mmu.h"
#include "inc/x86.h"
#include "lib/string.h"

/* The checker of ELF files: believes nothing, needs nothing.  kern/elfload.c maps what it passed.
 */

static bool
header_valid(const struct elf_header *h, uint64_t head_size)
{
	return h->magic == ELF_MAGIC && h->class == ELF_CLASS64 && h->data == ELF_DATA_LE &&
	       h->ident_version == ELF_VERSION && h->version == ELF_VERSION &&
	       h->type == ELF_TYPE_EXEC && h->machine == ELF_MACHINE_X86_64 &&
	       h->phentsize == sizeof(struct elf_segment) && h->phoff <= head_size &&
	       h->phnum <= (head_size - h->phoff) / sizeof(struct elf_segment);
}

/* Each comparison is written so that it cannot overflow. */
static bool
segment_valid(const struct elf_segment *s, uint64_t file_size, uint64_t low, uint64_t high)
{
	if (s->filesz > s->memsz || s->offset > file_size || s->filesz > file_size - s->offset)
		return false;
	if (s->vaddr < low || s->vaddr >= high || s->memsz > high - s->vaddr)
		return false;
	if ((s->vaddr ^ s->offset) & (PAGE_SIZE - 1))
		return false;
	return !((s->flags & ELF_PF_W) && (s->flags & ELF_PF_X));
}

static bool
is_code(const struct elf_segment *s, uint64_t va)
{
	return (s->flags & ELF_PF_X) && va >= s->vaddr && va - s->vaddr < s->memsz;
}

/* Adds a segment behind those before it.  The specification wants them in this order. */
static bool
plan_add(struct elf_plan *plan, const struct elf_segment *s)
{
	const struct elf_segment *last = &plan->load[plan->count - 1];

	if (plan->count == ELF_LOADS_MAX)
		return false;
	if (plan->count && ROUND_DOWN(s->vaddr, PAGE_SIZE) < last->vaddr + last->memsz)
		return false;
	plan->load[plan->count++] = *s;
	return true;
}

int
elf_check(const void *head, uint64_t head_size, uint64_t file_size, uint64_t low, uint64_t high,
          struct elf_plan *plan)
{
	struct elf_header h;
	struct elf_segment s;
	bool entry_valid = false;

	if (head_size < sizeof h)
		return -E_BAD_ELF;
	memcpy(&h, head, sizeof h);
	if (!header_valid(&h, head_size))
		return -E_BAD_ELF;
	plan->entry = h.entry;
	plan->count = 0;
	for (unsigned int i = 0; i < h.phnum; i++) {
		/* Headers may lie at odd offsets. */
		memcpy(&s, (const char *)head + h.phoff + i * sizeof s, sizeof s);
		if (s.type != ELF_PT_LOAD || !s.memsz)
			continue;
		if (!segment_valid(&s, file_size, low, high) || !plan_add(plan, &s))
			return -E_BAD_ELF;
		entry_valid = entry_valid || is_code(&s, h.entry);
	}
	return entry_valid ? 0 : -E_BAD_ELF;
}
