#include "vmm/gmem.h"

#include "inc/error.h"
#include "inc/x86.h"
#include "kern/lock.h"
#include "lib/string.h"
#include "vmm/regs.h"
#include "vmm/shadow/shadow.h"
#include "vmm/slots.h"

/*
 * Guest memory as the guest's own instructions reach it: its page tables
 * (none, 32-bit, PAE, 4-level) are walked in software (SDM vol. 3, "Paging").
 */

/*
 * If another CPU changes the tables during a walk, the walk is made again, but not more often than
 * this.  Interrupts are off here, and a guest or a monitor that changes tables all the time must
 * not keep them out.
 */
enum { LOOKS_MAX = 64 };

/* Returns the bytes from addr to the end of its 4 KiB page, at most size. */
static uint64_t
page_part(uint64_t addr, uint64_t size)
{
	uint64_t left = PAGE_SIZE - (addr & (PAGE_SIZE - 1));

	return size < left ? size : left;
}

/* Returns the kernel address of the RAM at gpa, good to the end of its page and until the VM's
 * tlb_gen changes.  NULL outside RAM. */
static void *
gphys(struct vm *vm, uint64_t gpa, int access)
{
	const struct vm_slot *slot = vm_slot_find(vm, gpa);
	struct frame frame;
	uint64_t hva;
	int err;

	if (!slot)
		return NULL;
	hva = slot->hva + (gpa - slot->gpa);
	spin_lock(&kernel_lock);
	err = aspace_frame(vm->as, hva, access, &frame);
	spin_unlock(&kernel_lock);
	return err < 0 ? NULL : (char *)kva(frame.pa) + (hva & (frame.size - 1));
}

int
gphys_read(struct vm *vm, uint64_t gpa, void *buf, uint64_t size)
{
	for (uint64_t n; size; size -= n, gpa += n, buf = (char *)buf + n) {
		void *p = gphys(vm, gpa, ACCESS_READ);

		n = page_part(gpa, size);
		if (!p)
			return -E_FAULT;
		memcpy(buf, p, n);
	}
	return 0;
}

int
gphys_write(struct vm *vm, uint64_t gpa, const void *buf, uint64_t size)
{
	for (uint64_t n; size; size -= n, gpa += n, buf = (const char *)buf + n) {
		void *p;

		n = page_part(gpa, size);
		/* Comes first: it takes the kernel lock, and meanwhile the frame may move. */
		if (vm->paging != VM_PAGING_NESTED)
			shadow_written(vm, gpa);
		if (!(p = gphys(vm, gpa, ACCESS_WRITE)))
			return -E_FAULT;
		memcpy(p, buf, n);
	}
	return 0;
}

int
gphys_write_across(struct vm *vm, uint64_t gpa, uint64_t last, const void *buf, uint64_t size)
{
	uint64_t n = page_part(gpa, size);
	int err = gphys_write(vm, gpa, buf, n);

	if (err == 0 && n < size)
		err = gphys_write(vm, ROUND_DOWN(last, PAGE_SIZE), (const char *)buf + n, size - n);
	return err;
}

/* A paging mode: the layout of its tables. */
struct walk_mode {
	int levels;
	unsigned int index_bits; /* of an address, for each level */
	unsigned int entry_size; /* bytes */
	uint64_t root_mask;      /* the bits of CR3 that are the gpa of the root */
};

static const struct walk_mode walk_legacy = {2, 10, 4, 0xfffff000};
static const struct walk_mode walk_pae = {3, 9, 8, 0xffffffe0};
static const struct walk_mode walk_long = {4, 9, 8, PTE_ADDR};

/* A walk through the guest's tables. */
struct walk {
	const struct walk_mode *mode; /* NULL: paging is off */
	uint64_t cr0, cr4, efer;
	uint64_t entry_gpa[PT_LEVELS + 1], entry[PT_LEVELS + 1]; /* by level */
	uint64_t allowed; /* PTE_W and PTE_U as far as the entries of all levels grant them */
	bool user;        /* the access is made with the user's rights */
	bool nx;          /* an entry forbids execution */
	int leaf;         /* level of the entry that maps the page */
};

static int
pf(struct gmem_fault *f, uint64_t gva, uint32_t error)
{
	f->kind = GMEM_PF;
	f->gva = gva;
	f->error = error;
	return -E_FAULT;
}

static int
no_ram(struct gmem_fault *f, uint64_t gva, uint64_t gpa, bool table)
{
	f->kind = GMEM_NO_RAM;
	f->table = table;
	f->gva = gva;
	f->gpa = gpa;
	return -E_FAULT;
}

/* Does the entry of this level map a page, rather than point to a table? */
static bool
walk_is_leaf(const struct walk *w, int level)
{
	if (level == 1)
		return true;
	if (!(w->entry[level] & PTE_PS))
		return false;
	if (w->mode == &walk_legacy)
		return w->cr4 & CR4_PSE;
	return level == 2 || (level == 3 && w->mode == &walk_long);
}

static unsigned int
walk_shift(const struct walk *w, int level)
{
	return PAGE_SHIFT + w->mode->index_bits * (unsigned int)(level - 1);
}

/* Bits 62:52: reserved in PAE paging, ignored in 4-level paging. */
#define PTE_HIGH 0x7ff0000000000000

/* Returns the bits that must be 0 in a present entry of this level (SDM vol. 3, "Reserved Bits").
 */
static uint64_t
walk_reserved(const struct walk *w, int level)
{
	const uint64_t beyond = PTE_ADDR & ~(BIT(cpuid_phys_bits()) - 1);
	bool large = level > 1 && walk_is_leaf(w, level);

	if (w->mode == &walk_legacy)
		return large ? BIT(21) | (beyond >> 32 & 0xff) << 13 : 0;
	return beyond | (w->mode == &walk_pae ? PTE_HIGH : 0) | (w->efer & EFER_NXE ? 0 : PTE_NX) |
	       (level == PT_LEVELS ? PTE_PS : 0) |
	       (large ? (BIT(walk_shift(w, level)) - 1) & ~(uint64_t)0x1fff : 0);
}

/* Reads the entries from the root to the leaf.  base_error: the error code of the access, without P
 * and RSVD.  -E_FAULT with *f. */
static int
walk_tables(struct vcpu *v, struct walk *w, uint64_t gva, uint32_t base_error, struct gmem_fault *f)
{
	uint64_t table = hv->get_reg(v, HV_CR3) & w->mode->root_mask;
	int level = w->mode->levels;

	w->allowed = PTE_W | PTE_U;
	w->nx = false;
	for (;; level--) {
		uint64_t index = gva >> walk_shift(w, level) & (BIT(w->mode->index_bits) - 1);
		uint64_t gpa = table + index * w->mode->entry_size;
		uint64_t entry = 0;

		if (gphys_read(v->vm, gpa, &entry, w->mode->entry_size) < 0)
			return no_ram(f, gva, gpa, true);
		if (!(entry & PTE_P))
			return pf(f, gva, base_error);
		w->entry_gpa[level] = gpa;
		w->entry[level] = entry;
		if (entry & walk_reserved(w, level))
			return pf(f, gva, base_error | PF_P | PF_RSVD);
		/* PAE's four top entries grant everything. */
		if (!(w->mode == &walk_pae && level == 3)) {
			w->allowed &= entry;
			w->nx |= w->mode->entry_size == 8 && (entry & PTE_NX);
		}
		if (walk_is_leaf(w, level))
			break;
		table = entry & (w->mode == &walk_legacy ? 0xfffff000 : PTE_ADDR);
	}
	w->leaf = level;
	return 0;
}

/* Does RFLAGS.AC open SMAP for an access of the supervisor's?  Not if user code caused the access.
 */
static bool
smap_open(struct vcpu *v)
{
	return (hv->get_reg(v, HV_RFLAGS) & RFLAGS_AC) && vcpu_cpl(v) < 3;
}

/* Do the rights of all levels together permit the access? */
static bool
walk_permits(struct vcpu *v, const struct walk *w, uint32_t access)
{
	bool users_page = w->allowed & PTE_U;

	if (w->user && !users_page)
		return false;
	if (access & VM_ACCESS_EXEC)
		return !w->nx && !(!w->user && users_page && (w->cr4 & CR4_SMEP));
	if (!w->user && users_page && (w->cr4 & CR4_SMAP) && !smap_open(v))
		return false;
	if ((access & VM_ACCESS_WRITE) && !(w->allowed & PTE_W))
		return !w->user && !(w->cr0 & CR0_WP);
	return true;
}

/* Replaces a page-table entry that still is `old`.  Returns false if another vCPU has changed it.
 */
static bool
entry_replace(struct vm *vm, uint64_t gpa, unsigned int size, uint64_t old, uint64_t new)
{
	const struct vm_slot *slot = vm_slot_find(vm, gpa);
	uint64_t hva = slot->hva + (gpa - slot->gpa);
	struct frame frame;
	bool done = true;
	void *at;

	spin_lock(&kernel_lock);
	if (aspace_frame(vm->as, hva, ACCESS_WRITE, &frame) == 0) {
		at = (char *)kva(frame.pa) + (hva & (frame.size - 1));
		done = size == 8 ? __sync_bool_compare_and_swap((uint64_t *)at, old, new)
		                 : __sync_bool_compare_and_swap((uint32_t *)at, (uint32_t)old,
		                                                (uint32_t) new);
	}
	spin_unlock(&kernel_lock);
	return done;
}

/* Sets accessed and dirty bits.  Returns false if an entry has changed since the walk read it. */
static bool
walk_mark(struct vcpu *v, struct walk *w, bool write)
{
	for (int level = w->mode->levels; level >= w->leaf; level--) {
		uint64_t entry = w->entry[level] | PTE_A | (write && level == w->leaf ? PTE_D : 0);

		if (w->mode == &walk_pae && level == 3)
			continue;
		if (entry != w->entry[level] &&
		    !entry_replace(v->vm, w->entry_gpa[level], w->mode->entry_size, w->entry[level],
		                   entry))
			return false;
		w->entry[level] = entry;
	}
	return true;
}

static uint64_t
walk_result(const struct walk *w, uint64_t gva)
{
	uint64_t span = BIT(walk_shift(w, w->leaf));
	uint64_t base = w->entry[w->leaf] & PTE_ADDR & ~(span - 1);

	if (w->mode == &walk_legacy && w->leaf == 2)
		base = gmem_4m_base((uint32_t)w->entry[2]);
	return base | (gva & (span - 1));
}

/* Returns W, U and I of the error code.  The processor sets I only if it can protect pages from
 * execution. */
static uint32_t
access_error(const struct walk *w, uint32_t access)
{
	bool protects = (w->cr4 & CR4_SMEP) || ((w->cr4 & CR4_PAE) && (w->efer & EFER_NXE));

	return (access & VM_ACCESS_WRITE ? PF_W : 0) | (w->user ? PF_U : 0) |
	       ((access & VM_ACCESS_EXEC) && protects ? PF_I : 0);
}

/* Translates gva to *gpa for an access with the rights of a user or of the supervisor, and leaves
 * the walk in *w.  -E_FAULT with *f. */
static int
translate(struct vcpu *v, struct walk *w, uint64_t gva, uint32_t access, bool user, uint64_t *gpa,
          struct gmem_fault *f)
{
	unsigned int looks = 0;
	uint32_t error;
	int err;

	*w = (struct walk){.cr0 = hv->get_reg(v, HV_CR0), .user = user};
	if (!(w->cr0 & CR0_PG)) {
		*gpa = (uint32_t)gva;
		return 0;
	}
	w->cr4 = hv->get_reg(v, HV_CR4);
	w->efer = hv->get_reg(v, HV_EFER);
	w->mode = w->efer & EFER_LMA ? &walk_long : w->cr4 & CR4_PAE ? &walk_pae : &walk_legacy;
	if (w->mode != &walk_long)
		gva = (uint32_t)gva;
	if (w->mode == &walk_long && (int64_t)(gva << 16) >> 16 != (int64_t)gva) {
		f->kind = GMEM_GP;
		f->gva = gva;
		return -E_FAULT;
	}
	error = access_error(w, access);
	do {
		if ((err = walk_tables(v, w, gva, error, f)) < 0)
			return err;
		if (!walk_permits(v, w, access))
			return pf(f, gva, error | PF_P);
		/* After LOOKS_MAX walks the last one counts, even without A and D bits. */
	} while (!walk_mark(v, w, access & VM_ACCESS_WRITE) && ++looks < LOOKS_MAX);
	*gpa = walk_result(w, gva);
	return 0;
}

/* Translates with the rights of the code that runs. */
static int
translate_own(struct vcpu *v, struct walk *w, uint64_t gva, uint32_t access, uint64_t *gpa,
              struct gmem_fault *f)
{
	return translate(v, w, gva, access, vcpu_cpl(v) == 3, gpa, f);
}

int
gmem_page(struct vcpu *v, uint64_t gva, uint32_t access, bool user, struct gmem_page *page,
          struct gmem_fault *f)
{
	struct walk w;

	if (translate(v, &w, gva, access, user, &page->gpa, f) < 0)
		return -E_FAULT;
	if (!w.mode) {
		*page = (struct gmem_page){.gpa = page->gpa,
		                           .span = BIT(32),
		                           .writable = true,
		                           .user = true,
		                           .dirty = true,
		                           .leaf = PT_LEVELS};
		return 0;
	}
	page->leaf = (unsigned int)w.leaf;
	for (int level = w.leaf; level <= w.mode->levels; level++) {
		page->entry[level] = w.entry[level];
		page->table[level] = ROUND_DOWN(w.entry_gpa[level], PAGE_SIZE);
	}
	page->span = BIT(walk_shift(&w, w.leaf));
	page->writable = w.allowed & PTE_W;
	page->user = w.allowed & PTE_U;
	page->nx = w.nx;
	page->dirty = w.entry[w.leaf] & PTE_D;
	return 0;
}

int
gmem_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa, struct gmem_fault *f)
{
	struct walk w;

	return translate_own(v, &w, gva, access, gpa, f);
}

int
gmem_read(struct vcpu *v, uint64_t gva, void *buf, uint64_t size, struct gmem_fault *f)
{
	for (uint64_t n, gpa; size; size -= n, gva += n, buf = (char *)buf + n) {
		n = page_part(gva, size);
		if (gmem_translate(v, gva, VM_ACCESS_READ, &gpa, f) < 0)
			return -E_FAULT;
		if (gphys_read(v->vm, gpa, buf, n) < 0)
			return no_ram(f, gva, gpa, false);
	}
	return 0;
}

int
gmem_write(struct vcpu *v, uint64_t gva, const void *buf, uint64_t size, struct gmem_fault *f)
{
	for (uint64_t n, gpa; size; size -= n, gva += n, buf = (const char *)buf + n) {
		n = page_part(gva, size);
		if (gmem_translate(v, gva, VM_ACCESS_WRITE, &gpa, f) < 0)
			return -E_FAULT;
		if (gphys_write(v->vm, gpa, buf, n) < 0)
			return no_ram(f, gva, gpa, false);
	}
	return 0;
}

/* Notes in c->entry[] where a walk found its entries.  Returns false if an entry is not in RAM. */
static bool
note_entries(struct vcpu *v, const struct walk *w, struct hv_code_page *c)
{
	struct hv_code_entry *e = c->entry;

	for (int level = w->leaf; w->mode && level <= w->mode->levels; level++, e++) {
		uint64_t word = ROUND_DOWN(w->entry_gpa[level], sizeof(e->value));

		if (!(e->at = gphys(v->vm, word, ACCESS_READ)))
			return false;
		e->value = *e->at;
	}
	for (; e < c->entry + PT_LEVELS; e++)
		e->at = &e->value;
	return true;
}

/* Finds the page of the code at gva, and keeps it in v->fetch.page. */
static SLOW_PATH const uint8_t *
find_code(struct vcpu *v, uint64_t gva, uint64_t cr3)
{
	struct hv_code_page *c = &v->fetch.page;
	struct gmem_fault f;
	struct walk w;
	uint64_t tlb_gen, gpa;
	unsigned int looks = 0;

	c->gva = ROUND_DOWN(gva, PAGE_SIZE);
	c->cr3 = cr3;
	do {
		/* Whenever translate() and gphys() take the kernel lock, another CPU may have moved
		 * frames before.  So what they find counts only if tlb_gen stays the same. */
		gmem_forget_code(v);
		if (looks++ == LOOKS_MAX)
			return NULL;
		tlb_gen = __atomic_load_n(&v->vm->tlb_gen, __ATOMIC_RELAXED);
		if (translate_own(v, &w, c->gva, VM_ACCESS_EXEC, &gpa, &f) < 0 ||
		    !note_entries(v, &w, c) || !(c->bytes = gphys(v->vm, gpa, ACCESS_READ)))
			return NULL;
		c->tlb_gen = tlb_gen;
	} while (tlb_gen != __atomic_load_n(&v->vm->tlb_gen, __ATOMIC_RELAXED));
	return c->bytes + (gva - c->gva);
}

/* Many exits read code, mostly from the same page. */
const uint8_t *
gmem_code(struct vcpu *v, uint64_t gva, uint64_t cr3)
{
	return gmem_code_kept(v, gva, cr3, 1) ? v->fetch.page.bytes + (gva - v->fetch.page.gva)
	                                      : find_code(v, gva, cr3);
}
