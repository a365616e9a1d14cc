#include "kern/elf.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/boot/initrd.h"
#include "kern/mem/aspace.h"

/* Maps executables: whole pages of the file are shared with it, only mixed ones are copied. */

static uint64_t
segment_perm(const struct elf_segment *s)
{
	if (s->flags & ELF_PF_X)
		return 0;
	return s->flags & ELF_PF_W ? PTE_COW | PTE_NX : PTE_NX;
}

/* The page in which the file's part of a segment ends and its zeros begin. */
static int
load_mixed(struct aspace *as, const struct file *f, const struct elf_segment *s, uint64_t va)
{
	uint64_t start = va > s->vaddr ? va : s->vaddr;
	struct page *p = page_alloc(PAGE_ZERO);
	uint64_t perm = s->flags & ELF_PF_X ? 0 : PTE_NX;
	int err;

	if (!p)
		return -E_NO_MEM;
	file_read(f, s->offset + (start - s->vaddr), (char *)kva(page_pa(p)) + (start - va),
	          s->vaddr + s->filesz - start);
	err = aspace_map_page(as, va, p, perm | (s->flags & ELF_PF_W ? PTE_W : 0));
	page_unref(p); /* the mapping has its own */
	return err;
}

static int
load_segment(struct aspace *as, const struct file *f, const struct elf_segment *s)
{
	uint64_t file_end = s->vaddr + s->filesz;
	uint64_t end = ROUND_UP(s->vaddr + s->memsz, PAGE_SIZE);
	uint64_t va = ROUND_DOWN(s->vaddr, PAGE_SIZE);
	/* What follows the file's part in its last page shows, unless it must be zero. */
	uint64_t shared_end = s->filesz == s->memsz ? file_end : ROUND_DOWN(file_end, PAGE_SIZE);
	uint64_t page = s->offset / PAGE_SIZE;
	int err = 0;

	for (; !err && va < shared_end; va += PAGE_SIZE)
		err = aspace_map_page(as, va, f->pages[page++], segment_perm(s));
	if (!err && va < file_end) {
		err = load_mixed(as, f, s, va);
		va += PAGE_SIZE;
	}
	if (!err && va < end)
		err = aspace_map_zero(as, va, end - va, PTE_NX | (s->flags & ELF_PF_W ? PTE_W : 0));
	return err;
}

int
elf_load(struct aspace *as, const struct file *f, uint64_t *entry)
{
	struct elf_plan plan;
	int err;

	if (!f->size)
		return -E_BAD_ELF;
	err = elf_check(kva(page_pa(f->pages[0])), f->size < PAGE_SIZE ? f->size : PAGE_SIZE,
	                f->size, UTEXT, UJOB_BASE, &plan);
	for (unsigned int i = 0; !err && i < plan.count; i++)
		err = load_segment(as, f, &plan.load[i]);
	*entry = plan.entry;
	return err;
}
