#include "kern/audit/audit.h"

#include "inc/x86.h"
#include "kern/boot/initrd.h"
#include "kern/env.h"
#include "kern/mem/pmap.h"

/* The host's part of an audit: the kernel's own tables, processes, files. */

/* kern/boot/kernel.ld */
extern char text_start[], rodata_end[], kernel_end[];

#define LOW_MEMORY 0x100000 /* firmware, VGA: in the direct map, and not to be given out */

static uint64_t
image_end(void)
{
	return (uint64_t)kernel_end - KERNBASE;
}

/* May the kernel have this frame at this address? */
static bool
kernel_place_valid(uint64_t va, uint64_t pa, pte_t e)
{
	bool is_constant =
	        pa >= (uint64_t)text_start - KERNBASE && pa < (uint64_t)rodata_end - KERNBASE;

	if (va >= KERNBASE)
		return pa == va - KERNBASE && pa < image_end();
	if (va < CPU_BASE)
		return pa == va - DIRECT_BASE && !(is_constant && (e & PTE_W)) &&
		       (pa < LOW_MEMORY || pa_page(pa));
	if (va >= MMIO_BASE && va < KTABLE_BASE)
		return !pa_page(pa);
	return pa_page(pa) && pa_page(pa)->kernel;
}

static void
kernel_leaf(struct audit_walk *w, int level, pte_t e)
{
	uint64_t va = w->site.address;
	uint64_t pa = e & PTE_ADDR & ~(pt_span(level) - 1);
	bool own = (va >= CPU_BASE && va < MMIO_BASE) || (va >= KTABLE_BASE && va < KERNBASE);

	if (w->pass == AUDIT_COUNT) {
		if (own && (e & PTE_P))
			audit_hold(kva(pa));
		return;
	}
	if (!(e & PTE_P) || !kernel_place_valid(va, pa, e))
		audit_violation(AUDIT_KERNEL_PLACE, &w->site, pa);
	if (e & PTE_U)
		audit_violation(AUDIT_KERNEL_USER, &w->site, pa);
	if ((e & PTE_W) && !(e & PTE_NX))
		audit_violation(AUDIT_KERNEL_WX, &w->site, pa);
}

static void
audit_kernel(enum audit_pass pass)
{
	struct audit_walk w = {
	        .pt = &kernel_pt,
	        .pass = pass,
	        .start = DIRECT_BASE,
	        .roots = PT_ENTRIES / 2,
	        .site = {AUDIT_KERNEL_TABLE, 0, 0},
	        .leaf = kernel_leaf,
	};
	uint64_t array_base, array_size;

	if (pass == AUDIT_COUNT) {
		page_array(&array_base, &array_size);
		for (uint64_t off = 0; off < array_size; off += PAGE_SIZE)
			audit_hold(kva(array_base + off));
		for (uint64_t pa = KERN_PHYS; pa < image_end(); pa += PAGE_SIZE)
			audit_hold(kva(pa));
	}
	audit_walk(&w);
	w.site.address = 0;
	if (pass == AUDIT_CHECK) {
		audit_equal(AUDIT_TABLE_PAGES, &w.site, w.tables, kernel_pt.tables);
		audit_walked(&w);
	}
}

static void
audit_files(void)
{
	const struct file *file;

	for (unsigned int i = 0; (file = initrd_at(i)); i++)
		for (uint64_t off = 0; off < file->size; off += PAGE_SIZE) {
			struct audit_frame *f = audit_frame(page_pa(file->pages[off / PAGE_SIZE]));

			f->refs++;
			f->flags |= AUDITED_FILE | AUDITED_PLAIN;
		}
}

static uint64_t
level_pages(int level)
{
	return level == 2 ? FRAME_PAGES : 1;
}

static void
count_user_leaf(struct audit_walk *w, int level, pte_t e)
{
	struct audit_frame *f = audit_frame(e & PTE_ADDR);

	(void)w;
	audit_promise(level == 2); /* its table */
	if (!(e & PTE_P)) {
		audit_promise(level_pages(level));
		return;
	}
	if (e & PTE_COW)
		audit_promise(level_pages(level));
	if (!f)
		return;
	if (level == 2) {
		f->large++;
		f->flags |= AUDITED_USER | (e & PTE_COW ? AUDITED_LARGE_COW : AUDITED_LARGE_PLAIN);
	} else {
		f->refs++;
		f->flags |= AUDITED_USER | (e & PTE_COW ? AUDITED_COW : AUDITED_PLAIN);
	}
}

/* Does anybody but this entry refer to the frame? */
static bool
is_shared(const struct page *p, int level)
{
	return level == 2 ? page_shared_large(p) : !page_exclusive(p);
}

static bool
user_entry_valid(const struct audit_walk *w, int level, pte_t e)
{
	uint64_t va = w->site.address;

	if (level > 2 || va < USER_BASE || va + pt_span(level) > USER_END)
		return false;
	if (!(e & PTE_P))
		return !(e & ~(PTE_ZERO | PTE_W | PTE_NX)) && (e & PTE_ZERO);
	if (e & PTE_ADDR & (pt_span(level) - 1))
		return false;
	return (e & PTE_U) && !((e & PTE_COW) && (e & (PTE_W | PTE_SHARE)));
}

/* The first rule that a present entry breaks, or AUDIT_NONE. */
static enum audit_rule
user_rule_broken(int level, pte_t e)
{
	const struct page *p = pa_page(e & PTE_ADDR);

	if (!p)
		return AUDIT_USER_NO_RAM;
	if (p->kernel)
		return AUDIT_USER_KERNEL;
	if (!audit_in_use(p))
		return AUDIT_USER_FREE;
	if ((e & PTE_W) && !(e & PTE_SHARE) && is_shared(p, level))
		return AUDIT_USER_SHARED;
	return AUDIT_NONE;
}

static void
check_user_leaf(struct audit_walk *w, int level, pte_t e)
{
	enum audit_rule broken;

	if (!user_entry_valid(w, level, e)) {
		audit_violation(AUDIT_USER_ENTRY, &w->site, e & PTE_ADDR);
		return;
	}
	if ((e & (PTE_W | PTE_COW)) && !(e & PTE_NX))
		audit_violation(AUDIT_USER_WX, &w->site, e & PTE_ADDR);
	if (!(e & PTE_P))
		return;
	broken = user_rule_broken(level, e);
	if (broken != AUDIT_NONE)
		audit_violation(broken, &w->site, e & PTE_ADDR);
}

static void
check_kernel_half(const struct aspace *as, struct audit_site *site)
{
	const pte_t *root = kva(as->pt.root), *kernel = kva(kernel_pt.root);

	for (unsigned int i = PT_ENTRIES / 2; i < PT_ENTRIES; i++) {
		site->address = DIRECT_BASE + (i - PT_ENTRIES / 2) * pt_span(PT_LEVELS);
		if (root[i] != kernel[i])
			audit_violation(AUDIT_KERNEL_HALF, site, root[i] & PTE_ADDR);
	}
	site->address = 0;
}

/* The process that has the address space, and how many have it. */
static uint32_t
users_of(const struct aspace *as, uint64_t *count)
{
	uint32_t id = 0;

	*count = 0;
	for (const struct env *e = envs; e < envs + ENV_MAX; e++) {
		if (e->status == ENV_FREE || e->as != as)
			continue;
		if (!(*count)++)
			id = e->id;
	}
	return id;
}

static void
audit_process(const struct aspace *as, enum audit_pass pass)
{
	struct audit_walk w = {
	        .pt = &as->pt,
	        .pass = pass,
	        .roots = PT_ENTRIES / 2,
	        .leaf = pass == AUDIT_COUNT ? count_user_leaf : check_user_leaf,
	};
	uint64_t users;

	w.site.table = AUDIT_PROCESS_TABLE;
	w.site.id = users_of(as, &users);
	audit_walk(&w);
	w.site.address = 0;
	if (pass == AUDIT_COUNT) {
		audit_equal(AUDIT_USER_PAGES, &w.site, w.bytes / PAGE_SIZE, as->pages);
		return;
	}
	audit_equal(AUDIT_TABLE_PAGES, &w.site, w.tables, as->pt.tables);
	audit_equal(AUDIT_USER_REFS, &w.site, users, as->refs);
	check_kernel_half(as, &w.site);
	audit_walked(&w);
}

void
audit_host(enum audit_pass pass)
{
	const struct aspace *as;

	audit_kernel(pass);
	if (pass == AUDIT_COUNT)
		audit_files();
	for (unsigned int i = 0; i < ENV_MAX; i++)
		if ((as = aspace_at(i)))
			audit_process(as, pass);
}
