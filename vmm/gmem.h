#ifndef NESTLING_VMM_GMEM_H
#define NESTLING_VMM_GMEM_H

#include "inc/x86.h"
#include "vmm/vmm.h"

/*
 * gmem.c: guest memory as the guest's own instructions would reach it.  Functions that take a gva
 * walk the guest's tables, and v must be current on this CPU.  They, and those that take a gpa, are
 * called without the kernel lock.
 */

/* Why an access failed. */
struct gmem_fault {
	enum {
		GMEM_PF,     /* the guest gets #PF with `error`, and gva in CR2 */
		GMEM_GP,     /* the guest gets #GP: gva is not canonical */
		GMEM_NO_RAM, /* gpa is not RAM */
	} kind;
	uint64_t gva, gpa;
	uint32_t error; /* as the processor pushes it */
	bool table;     /* GMEM_NO_RAM: gpa is the address of a page-table entry */
};
/* Translates gva for an access (VM_ACCESS_) of the code that runs; sets accessed and dirty bits.
 * Returns 0 with *gpa, or -E_FAULT with *f. */
int gmem_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa,
                   struct gmem_fault *f);
/* A page as the guest's tables map it.  Without paging: one page of 4 GiB, mapped to itself. */
struct gmem_page {
	uint64_t gpa;            /* of the address that was asked for */
	uint64_t span;           /* bytes of the page: 4 KiB to 4 GiB */
	bool writable, user, nx; /* what the entries of all levels together say */
	bool dirty;
	/* The level of the page's entry.  entry[] has the entries on the way there by level, and
	 * table[] the gpa of the tables that hold them.  Without paging both are empty, and leaf is
	 * PT_LEVELS, so that all levels are below it. */
	unsigned int leaf;
	uint64_t entry[PT_LEVELS + 1], table[PT_LEVELS + 1];
};
/* Returns the gpa of the 4 MiB page that an entry of 32-bit paging maps.  Bits 20:13 of the entry
 * are bits 39:32 of the address. */
static inline uint64_t
gmem_4m_base(uint32_t entry)
{
	return (entry & 0xffc00000) | BITS((uint64_t)entry, 20, 13) << 32;
}
/* Like gmem_translate(), with the rights of a user or of the supervisor; fills in *page. */
int gmem_page(struct vcpu *v, uint64_t gva, uint32_t access, bool user, struct gmem_page *page,
              struct gmem_fault *f);
/* Copy `size` bytes, at most a few pages.  Return 0, or -E_FAULT with *f; bytes before the fault
 * have been copied then. */
int gmem_read(struct vcpu *v, uint64_t gva, void *buf, uint64_t size, struct gmem_fault *f);
int gmem_write(struct vcpu *v, uint64_t gva, const void *buf, uint64_t size, struct gmem_fault *f);
/* Copy `size` bytes from and to guest-physical RAM.  Return 0, or -E_FAULT outside RAM. */
int gphys_read(struct vm *vm, uint64_t gpa, void *buf, uint64_t size);
int gphys_write(struct vm *vm, uint64_t gpa, const void *buf, uint64_t size);
/* Like gphys_write() for bytes that may cross into a page which is not the next one: gpa is the
 * address of the first byte, `last` of the last one. */
int gphys_write_across(struct vm *vm, uint64_t gpa, uint64_t last, const void *buf, uint64_t size);

/*
 * Returns the kernel address of the code at gva, good to the end of its page.  NULL: the guest must
 * not execute there, or has no RAM there.  cr3 is that of struct hv_code.
 */
const uint8_t *gmem_code(struct vcpu *v, uint64_t gva, uint64_t cr3);
/* Forgets the page of code.  To be called when the guest's paging mode changes, or with shadow
 * paging its CR3. */
static inline void
gmem_forget_code(struct vcpu *v)
{
	v->fetch.page.tlb_gen = HV_NO_CODE;
}
/* Are `size` bytes at gva in the page that the last gmem_code() found, and is the guest's mapping
 * of that page still the same? */
static inline bool
gmem_code_kept(const struct vcpu *v, uint64_t gva, uint64_t cr3, uint64_t size)
{
	const struct hv_code_page *c = &v->fetch.page;
	const struct hv_code_entry *e = c->entry;

	_Static_assert(PT_LEVELS == 4, "each entry is looked at");
	if (gva - c->gva > PAGE_SIZE - size || c->cr3 != cr3 || c->tlb_gen != v->vm->tlb_gen)
		return false;
	/* The guest may have changed an entry without an exit, for INVLPG does not exit. */
	return *e[0].at == e[0].value && *e[1].at == e[1].value && *e[2].at == e[2].value &&
	       *e[3].at == e[3].value;
}

#endif
