#ifndef NESTLING_VMM_SHADOW_H
#define NESTLING_VMM_SHADOW_H

#include <stdbool.h>
#include <stdint.h>

#include "kern/pt.h"
#include "vmm/exit.h"

/*
 * Shadow paging: the processor walks tables of ours that map the guest's virtual addresses straight
 * to frames.  They are a TLB of the guest's in software: filled when a page fault shows that an
 * entry is missing, emptied when the guest does what empties a TLB.  docs/shadow-paging.md.
 */

struct aspace_watcher;
struct gmem_page;
struct vcpu;
struct vm;

/* Registers that decide about paging. */
struct shadow_regs {
	uint64_t cr0, cr3, cr4, efer;
};

enum {
	SHADOW_TABLES = 256, /* pages of tables that a vCPU has at most, the root included */
	SHADOW_PDPTES = 4,
};

/* Of a vCPU. */
struct shadow {
	struct pt pt;
	/* What CR3 points to where the processor is not in long mode: PAE's four top entries, below
	 * 4 GiB.  They lead to the tables that pt's first root entry leads to. */
	uint64_t *pdpte;
	uint64_t widest;          /* bytes of the largest guest page in the tables */
	struct shadow_regs guest; /* as the guest sees them */
};

/*
 * shadowpt.c: the tables.  With the kernel lock held where others may see them.  A function that
 * returns bool says whether the TLB may hold what is gone.
 */
/* -E_NO_MEM.  SHADOW_TABLES pages are set aside, so that none of the others fails. */
int shadow_tables_init(struct shadow *s, uint64_t pdpte[SHADOW_PDPTES]);
void shadow_tables_free(struct shadow *s);
uint64_t shadow_promise_left(const struct shadow *s); /* pages */
bool shadow_is_empty(const struct shadow *s);
/*
 * Maps the page at gva: `leaf` is the entry, with its frame of 4 KiB, or with PTE_PS of 2 MiB.
 * span: bytes of the guest's page that it is part of.
 */
bool shadow_map(struct shadow *s, uint64_t gva, pte_t leaf, uint64_t span);
/* The guest's page at gva, all of it. */
bool shadow_unmap(struct shadow *s, uint64_t gva);
bool shadow_clear(struct shadow *s);
/* The registers that the processor runs the guest with. */
void shadow_hardware(const struct shadow *s, struct shadow_regs *hw);

/* shadow.c: what a vCPU does with them. */
int shadow_init(struct vcpu *v); /* v->shadow; -E_NO_MEM */
void shadow_free(struct vcpu *v);
uint64_t shadow_get_cr(const struct vcpu *v, unsigned int cr);
/* The guest's register changes, and with it what the tables may hold; the hardware's are the
 * caller's.  Without the lock, except before the first entry. */
void shadow_set_cr(struct vcpu *v, unsigned int cr, uint64_t value);
void shadow_set_efer(struct vcpu *v, uint64_t value);
void shadow_invlpg(struct vcpu *v, uint64_t gva);
/* A page fault: a shadow that is missing, the guest's own, or device memory. */
enum hv_action shadow_fault(struct vcpu *v, struct hv_exit *x);
/* The monitor's memory moves, or may not be written any more: see struct aspace_watcher. */
void shadow_narrow(struct vm *vm);
void shadow_protect(struct vm *vm);

#endif
