#ifndef NESTLING_VMM_OPS_H
#define NESTLING_VMM_OPS_H

#include "vmm/vcpu.h"

/* The table of a back end: what vmm/ asks of VMX and SVM alike. */

struct hv_debug; /* vmm/debug.h */

/* How to read and decode the instruction at RIP. */
struct hv_code {
	uint64_t cr3;
	enum insn_mode mode;
};

/* Guest registers that the control block holds, by their names for get_reg() and set_reg(). */
enum hv_reg {
	/* Plain registers: to a back end, each is a field of the control block and nothing else. */
	HV_RIP,
	HV_RSP,
	HV_RFLAGS,
	HV_DR7,
	HV_TSC_OFFSET, /* guest's TSC = host's TSC + this; in ticks */
	HV_PLAIN_REGS,
	/* Paging registers, as the guest sees them.  With shadow paging the processor runs the
	 * guest with other values. */
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

/* How the processors of a back end differ, where neutral code has to know. */
struct hv_traits {
	bool keeps_tlb; /* translations stay in the TLB while another vCPU uses the CPU */
	/* An entry and an exit switch the MSRs STAR to FMASK and KERNEL_GS_BASE. */
	bool entry_switches_msrs;
	/* An exit sets the GDT's limit to 64 KiB; user mode must not load what lies behind the
	 * GDT. */
	bool exit_widens_gdt;
	/* An entry may drop blocking, so no interrupt window may be open while it lasts. */
	bool entry_drops_blocking;
	/* Reserved bits that nested paging itself may set in PAE's top entries. */
	uint64_t pdpte_set;
};

/*
 * A back end.  Functions that return int return 0 or -E_.  In a function that takes a vCPU, the
 * vCPU is current on this CPU, except where the comment says otherwise.
 */
struct hv_ops {
	const char *name; /* "VMX" or "SVM" */
	struct hv_traits traits;
	const struct pt_format *npt_format;
	const struct hv_debug *debug;

	/* Finds out whether this CPU has all that the back end needs.  On a refusal, fills
	 * caps->refusal with one line that names the missing bit. */
	int (*probe)(struct hv_caps *caps);
	int (*cpu_on)(void); /* switches the back end on, on this CPU */

	/* The life of a vCPU.  It is current nowhere in vcpu_init(), vcpu_free() and load(). */
	int (*vcpu_init)(struct vcpu *v); /* allocates the control block; sets its controls */
	/* Resets the guest state that lives only in the control block and that set_regs() does
	 * not write. */
	void (*reset)(struct vcpu *v);
	void (*vcpu_free)(struct vcpu *v);
	/* Copies the guest state of one control block to another, whose vCPU has not run yet.
	 * Either may be current. */
	void (*vcpu_copy)(struct vcpu *to, struct vcpu *from);
	void (*load)(struct vcpu *v); /* makes v current on this CPU */
	void (*put)(struct vcpu *v);  /* takes v off this CPU, so that another CPU may load it */
	/* Calls fn with each page that the back end keeps for v outside v's arena; v is NULL: with
	 * each page that it keeps for CPUs. */
	void (*host_pages)(const struct vcpu *v, void (*fn)(const void *page));

	/* An exit: see vmm/run.c. */
	int (*enter)(struct vcpu *v); /* 0 after an exit; -E_ENTRY when the entry was refused */
	void (*decode)(struct vcpu *v, struct hv_exit *x); /* fills in what x->kind needs */
	/* Ends the instruction that exited: RIP moves by x->len, blocking and RF end, TF traps. */
	void (*skip)(struct vcpu *v, const struct hv_exit *x);
	/* Handles the host's interrupt or NMI that ended guest mode.  Called without the kernel
	 * lock. */
	void (*take_interrupt)(const struct hv_exit *x);
	/* Was the access of this HV_EXIT_EPT_VIOLATION made by the instruction at RIP?  If not,
	 * *why says what made it. */
	bool (*mem_by_insn)(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why);

	/* Guest registers.  Writing 1 to HV_BLOCKING blocks interrupts as STI does. */
	void (*get_regs)(struct vcpu *v, struct vm_regs *r);
	int (*set_regs)(struct vcpu *v, const struct vm_regs *r);
	uint64_t (*get_reg)(struct vcpu *v, enum hv_reg r);
	void (*set_reg)(struct vcpu *v, enum hv_reg r, uint64_t value);
	void (*get_segment)(struct vcpu *v, enum vm_seg s, struct vm_segment *out);
	struct hv_code (*get_code)(struct vcpu *v); /* also copies RSP to v->guest.gpr[] */

	/* Events and translations. */
	bool (*irq_ready)(struct vcpu *v); /* would the guest take an interrupt now? */
	/* Switches an exit on or off that comes as soon as the guest would take an interrupt. */
	void (*irq_window)(struct vcpu *v, bool on);
	void (*inject)(struct vcpu *v); /* the next entry delivers v->pending.event */
	/* Flushes this CPU's translations of the VM, at the next entry at the latest.  Clears
	 * v->tlb.stale once the hardware is told. */
	void (*flush)(struct vcpu *v);
};

/* The back end in use; NULL: none, and hv_caps.refusal says why. */
extern const struct hv_ops *hv;

#endif
