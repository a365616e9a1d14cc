#ifndef NESTLING_VMM_GMEM_H
#define NESTLING_VMM_GMEM_H

#include "vmm/vmm.h"

/* gmem.c: guest memory as the guest's own instructions would reach it. */
struct gmem_fault {
	enum { GMEM_PF, GMEM_GP, GMEM_NO_RAM } kind; /* #PF with error; #GP; gpa is not RAM */
	uint64_t gva, gpa;
	uint32_t error;
	bool table; /* GMEM_NO_RAM: gpa is a page table's */
};
/* gva -> gpa for VM_ACCESS_; 0, or -E_FAULT with *f. Sets accessed and dirty bits. */
int gmem_translate(struct vcpu *v, uint64_t gva, uint32_t access, uint64_t *gpa,
                   struct gmem_fault *f);
/* A page as the guest's tables map it; without paging, 4 GiB that map to themselves. */
struct gmem_page {
	uint64_t gpa;            /* of the address that was asked for */
	uint64_t span;           /* bytes: 4 KiB to 4 GiB */
	bool writable, user, nx; /* by the entries of all levels */
	bool dirty;
	/* The way there by level: entries, and the tables that hold them.  Without paging there
	 * are none, and the leaf is above them all. */
	unsigned int leaf;
	uint64_t entry[PT_LEVELS + 1], table[PT_LEVELS + 1];
};
/* gpa that an entry of 32-bit paging for 4 MiB leads to. */
uint64_t gmem_4m_base(uint32_t entry);
/* The same for an access with the user's rights or the supervisor's, and the page it lies in. */
int gmem_page(struct vcpu *v, uint64_t gva, uint32_t access, bool user, struct gmem_page *page,
              struct gmem_fault *f);
/* Copies at most a few pages; 0, or -E_FAULT with *f (what was copied before the fault stays). */
int gmem_read(struct vcpu *v, uint64_t gva, void *buf, uint64_t size, struct gmem_fault *f);
int gmem_write(struct vcpu *v, uint64_t gva, const void *buf, uint64_t size, struct gmem_fault *f);
/* The kernel's address of a page of RAM, until the VM's tlb_gen changes; NULL outside RAM. */
const void *gphys_page(struct vm *vm, uint64_t gpa);
/* Guest-physical RAM; -E_FAULT outside it. */
int gphys_read(struct vm *vm, uint64_t gpa, void *buf, uint64_t size);
int gphys_write(struct vm *vm, uint64_t gpa, const void *buf, uint64_t size);
/* To [gpa, last], of which the end may be in another page than the beginning: buf has size bytes,
 * as many as there are. */
int gphys_write_across(struct vm *vm, uint64_t gpa, uint64_t last, const void *buf, uint64_t size);

/*
 * The kernel's address of the code at gva, to the end of its page; NULL where the guest could not
 * execute or has no RAM.  cr3 is the guest's.
 */
const uint8_t *gmem_code(struct vcpu *v, uint64_t gva, uint64_t cr3);
/* The guest's paging mode changes, or with shadow paging its CR3. */
static inline void
gmem_forget_code(struct vcpu *v)
{
	v->fetch.page.tlb_gen = HV_NO_CODE;
}
/* Is it in the page of the last gmem_code(), with `size` bytes or more to go? */
static inline bool
gmem_code_kept(const struct vcpu *v, uint64_t gva, uint64_t cr3, uint64_t size)
{
	const struct hv_code_page *c = &v->fetch.page;
	const struct hv_code_entry *e = c->entry;

	_Static_assert(PT_LEVELS == 4, "each entry is looked at");
	if (gva - c->gva > PAGE_SIZE - size || c->cr3 != cr3 || c->tlb_gen != v->vm->tlb_gen)
		return false;
	/* Has the guest left them as they were?  INVLPG does not exit. */
	return *e[0].at == e[0].value && *e[1].at == e[1].value && *e[2].at == e[2].value &&
	       *e[3].at == e[3].value;
}

#endif
