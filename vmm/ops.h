#ifndef NESTLING_VMM_OPS_H
#define NESTLING_VMM_OPS_H

#include "vmm/vcpu.h"

/* The table of a back end: what vmm/ asks of VMX and SVM alike. */

struct hv_debug; /* vmm/debug.h */

/* What the instruction at RIP is read by. */
struct hv_code {
	uint64_t cr3;
	enum insn_mode mode;
};

/* Guest registers that the control block holds, by their names for get_reg() and set_reg(). */
enum hv_reg {
	/* For a back end, a field of the control block and nothing else. */
	HV_RIP,
	HV_RSP,
	HV_RFLAGS,
	HV_DR7,
	HV_TSC_OFFSET, /* the guest's TSC - the host's */
	HV_PLAIN_REGS,
	/* Paging: as the guest sees them, which with shadow paging is not what runs it. */
	HV_CR0 = HV_PLAIN_REGS,
	HV_CR3,
	HV_CR4,
	HV_EFER,
	HV_PAGING_REGS_END,
	HV_PAT = HV_PAGING_REGS_END,
	HV_BLOCKING, /* not 0: STI or MOV SS blocks interrupts for the instruction at RIP */
};

static inline bool
hv_is_paging_reg(enum hv_reg r)
{
	return r >= HV_PLAIN_REGS && r < HV_PAGING_REGS_END;
}

/* A back end.  All functions return 0 or -E_ unless they say otherwise. */
struct hv_ops {
	const char *name; /* "VMX", "SVM" */
	const struct hv_debug *debug;
	enum hv_vendor vendor;
	const struct pt_format *npt_format;
	/* VPIDs are many: translations outlast another vCPU's use of the CPU. */
	bool keeps_tlb;
	/* An entry and an exit switch STAR to FMASK and KERNEL_GS_BASE too. */
	bool entry_switches_msrs;
	/* An exit leaves the GDT's limit at 64 KiB: user mode must not load what lies behind. */
	bool exit_widens_gdt;
	/* Is it there and complete?  On refusal fills why (one line naming the missing bit). */
	int (*probe)(struct hv_caps *caps);
	int (*cpu_on)(void); /* VMXON / EFER.SVME on this CPU */
	void (*cpu_off)(void);
	int (*vcpu_init)(struct vcpu *v);
	/* Guest state that only the control block has, but what set_regs sets, is as after a RESET.
	 */
	void (*reset)(struct vcpu *v);
	void (*vcpu_free)(struct vcpu *v);
	/* `to`, which is new, gets the guest state in the control block of `from`. */
	void (*vcpu_copy)(struct vcpu *to, struct vcpu *from);
	/* Calls fn for each page that the back end has for this vCPU besides those of its arena;
	 * NULL: for the CPUs. */
	void (*host_pages)(const struct vcpu *v, void (*fn)(const void *page));
	void (*load)(struct vcpu *v); /* make it current on this CPU */
	void (*put)(struct vcpu *v);  /* off this CPU, so that another may load it */
	int (*enter)(struct vcpu *v); /* 0 after an exit; -E_ENTRY when refused */
	void (*decode)(struct vcpu *v, struct hv_exit *x);
	void (*skip)(struct vcpu *v, const struct hv_exit *x);
	void (*get_regs)(struct vcpu *v, struct vm_regs *r);
	int (*set_regs)(struct vcpu *v, const struct vm_regs *r);
	/* Mode and page tables of the code at RIP; and RSP goes to v->guest.gpr[]. */
	struct hv_code (*get_code)(struct vcpu *v);
	/* Is the access of this HV_EXIT_EPT_VIOLATION the instruction's at RIP?  If not, why. */
	bool (*mem_by_insn)(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why);
	/* Writing HV_BLOCKING 1 blocks interrupts for one instruction, as STI does. */
	uint64_t (*get_reg)(struct vcpu *v, enum hv_reg r);
	void (*set_reg)(struct vcpu *v, enum hv_reg r, uint64_t value);
	void (*get_segment)(struct vcpu *v, enum vm_seg s, struct vm_segment *out);
	/* The host's interrupt or NMI that ended guest mode is handled.  Called without the kernel
	 * lock. */
	void (*take_interrupt)(const struct hv_exit *x);
	bool (*irq_ready)(struct vcpu *v); /* would an interrupt be taken now? */
	void (*irq_window)(struct vcpu *v, bool on);
	void (*inject)(struct vcpu *v); /* v->pending.event, at the next entry */
	/* All translations of this VM, on this CPU, at the next entry at the latest: clears
	 * v->tlb.stale where the hardware is told. */
	void (*flush)(struct vcpu *v);
	/* VMRUN drops blocking: no window for interrupts may be open while they are blocked. */
	bool entry_drops_blocking;
	/* Reserved bits that the processor itself may set in PAE's top entries, with nested paging.
	 */
	uint64_t pdpte_set;
};

/* The back end in use; NULL: none, and hv_caps.refusal says why. */
extern const struct hv_ops *hv;

#endif
