#include "kern/elf.h"

#include "inc/error.h"
#include "inc/mmu.h"
#include "inc/x86.h"

/* What a program's segments have to be.  kern/elfload.c maps what passed. */

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
	bool entry_valid = false;
	struct elf_segment s;

	if (elf_header_fault(head, head_size))
		return -E_BAD_ELF;
	plan->entry = elf_entry(head);
	plan->count = 0;
	for (unsigned int i = 0; i < elf_segments(head); i++) {
		if (!elf_segment(head, i, &s))
			continue;
		if (!segment_valid(&s, file_size, low, high) || !plan_add(plan, &s))
			return -E_BAD_ELF;
		entry_valid = entry_valid || elf_is_code(&s, plan->entry);
	}
	return entry_valid ? 0 : -E_BAD_ELF;
}
