#include "lib/guestkernel.h"

#include "inc/mmu.h"
#include "lib/string.h"

enum {
	KERNEL_MAX = 1 << 30,  /* bytes mapped at KERNEL_BASE */
	MIN_MAPPED = 16 << 20, /* bytes mapped at least, even if there is less RAM */
	ENTRIES = 512,
	GIBS = 4,
};

/* Returns what is wrong with a segment, or NULL.  No comparison here can overflow. */
static const char *
segment_fault(const struct elf_segment *s)
{
	if (s->filesz > s->memsz || s->memsz > KERNEL_MAX || s->offset > KERNEL_MAX)
		return "has a segment of impossible size";
	if (s->paddr < KERNEL_PHYS || s->paddr > KERNEL_MAX - s->memsz)
		return "has a segment that is not between 1 MiB and 1 GiB";
	if (s->vaddr != s->paddr && s->vaddr != KERNEL_BASE + s->paddr)
		return "has a segment where no page table maps it";
	return NULL;
}

static void
plan_add(struct guest_kernel *k, const struct elf_segment *s)
{
	k->plan.load[k->plan.count++] = *s;
	if (s->offset + s->filesz > k->file_end)
		k->file_end = s->offset + s->filesz;
	if (s->paddr + s->memsz > k->phys_end)
		k->phys_end = s->paddr + s->memsz;
}

const char *
guest_kernel_fault(const void *head, size_t head_size, struct guest_kernel *k)
{
	const char *fault = elf_header_fault(head, head_size);
	bool entry_found = false;
	struct elf_segment s;

	if (fault)
		return fault;
	memset(k, 0, sizeof(*k));
	k->plan.entry = elf_entry(head);
	for (unsigned int i = 0; i < elf_segments(head); i++) {
		if (!elf_segment(head, i, &s))
			continue;
		if (k->plan.count == ELF_LOADS_MAX)
			return "has too many segments";
		if ((fault = segment_fault(&s)))
			return fault;
		plan_add(k, &s);
		entry_found |= elf_is_code(&s, k->plan.entry);
	}
	return entry_found ? NULL : "has its entry point in none of its segments";
}

/*
 * Table 0 is the root.  Tables 1 and 2 are of level 3, for addresses from 0 and from KERNEL_BASE.
 * Tables 3 to 6 are of level 2, one for each GiB.
 */
void
guest_boot_tables(uint64_t *tables, uint64_t at, uint64_t ram)
{
	uint64_t end = ram > MIN_MAPPED ? ram : MIN_MAPPED;
	uint64_t *large = &tables[3 * ENTRIES];

	memset(tables, 0, BOOT_TABLE_PAGES * PAGE_SIZE);
	at |= PTE_P | PTE_W;
	tables[0] = at + 1 * PAGE_SIZE;
	tables[ENTRIES - 1] = at + 2 * PAGE_SIZE;
	tables[3 * ENTRIES - 1] = at + 3 * PAGE_SIZE;
	for (unsigned int gib = 0; gib < GIBS; gib++)
		tables[ENTRIES + gib] = at + (3 + gib) * PAGE_SIZE;
	for (unsigned int i = 0; i < GIBS * ENTRIES && (uint64_t)i * LARGE_PAGE_SIZE < end; i++)
		large[i] = (uint64_t)i * LARGE_PAGE_SIZE | PTE_P | PTE_W | PTE_PS;
}
