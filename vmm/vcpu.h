#ifndef NESTLING_VMM_VCPU_H
#define NESTLING_VMM_VCPU_H

#include "kern/mem/aspace.h"
#include "lib/insn/insn.h"
#include "vmm/acct/acct.h"
#include "vmm/arena.h"
#include "vmm/exit.h"

/* The structures of the hypervisor: a virtual CPU, and a virtual machine. */

struct env;
struct shadow;
struct vm;

/* The page that instructions were last read from, and the table entries that lead there. */
struct hv_code_page {
	const uint8_t *bytes; /* kernel's address */
	uint64_t gva, cr3;
	/* The frames are the guest's as long as the VM's is the same; HV_NO_CODE: no page. */
	uint64_t tlb_gen;
	/* Words that hold an entry.  Of those that no entry needs each stands for itself. */
	struct hv_code_entry {
		const uint64_t *at; /* kernel's address */
		uint64_t value;
	} entry[PT_LEVELS];
};
#define HV_NO_CODE UINT64_MAX

/* A word of code, at any address. */
typedef uint64_t code_word_t __attribute__((aligned(1), may_alias));

/* An instruction that was decoded before: the same bytes in the same mode are the same one. */
struct __attribute__((aligned(128))) hv_insn { /* for a shift to find it by its number */
	union {
		uint8_t bytes[16]; /* as they follow in memory */
		uint64_t words[2];
	};
	uint8_t mode;   /* enum insn_mode */
	uint8_t count;  /* of bytes, at most VM_INSN_MAX */
	bool on_memory; /* mem says what it does */
	bool is_sys;    /* sys does */
	struct insn insn;
	struct insn_mem mem;
	struct insn_sys sys;
};
enum { HV_INSNS = 8 };

/*
 * Guest state that neither VMX nor SVM switches at an entry.  Clone and reset assign all of it at
 * once, so that no member can be forgotten.
 */
struct vcpu_guest {
	/* First, for assembly: GPRs in hardware order.  The control block holds RSP. */
	uint64_t gpr[REG_COUNT];
	uint64_t cr2, cr8, xcr0;
	uint64_t dr[4], dr6;
	uint64_t star, lstar, cstar, fmask, kernel_gs_base;
	uint64_t apic_base, misc_enable;
	int64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
};

/* What the guest waits for, and what waits for the guest.  A clone takes all of it along. */
struct vcpu_pending {
	struct hv_event event; /* the next entry delivers it; info 0: none */
	uint32_t held_irq;     /* vector that was taken from the PIC: valid with REQ_HELD_IRQ */
	bool dead_halt;        /* halted with interrupts off: only another vCPU's INIT ends it */
	bool stopped;          /* the vCPU must not be entered any more */
	/* Which answer of the monitor must go to the guest before the next entry. */
	enum { PENDING_NONE, PENDING_IN, PENDING_MMIO } answer;
	/* PENDING_IN: the IN or INS that waits (io.c). */
	struct {
		uint32_t count; /* items */
		uint8_t size;   /* bytes of an item */
		bool string;
		bool down;              /* RFLAGS.DF */
		uint64_t gpa, last_gpa; /* of the lowest byte and the highest, maybe in two pages */
	} in;
	/* PENDING_MMIO: the access to device memory that waits (mmio.c). */
	struct {
		const struct hv_insn *insn; /* in the same vCPU's fetch.insns */
		uint64_t to_gpa, last_gpa;  /* what the instruction writes: first and last byte */
		bool writing;               /* the monitor writes; before, it may have read */
	} mmio;
};

/* What the TLB of a CPU may hold of this vCPU's guest (vtlb.c). */
struct vcpu_tlb {
	uint64_t flushed; /* vm->tlb_gen at the last flush on loaded_cpu, or TLB_UNKNOWN */
	uint64_t serial;  /* a number that no other vCPU ever has */
	uint64_t moves;   /* how often the vCPU came to another CPU than the one before */
	uint32_t cpu;     /* the CPU that the vCPU was loaded on last */
	uint8_t stale;    /* TLB_NESTED, TLB_LINEAR: to be flushed before the next entry */
};

/* Instructions that were read (fetch.c). */
struct vcpu_fetch {
	struct hv_code_page page;
	struct hv_insn insns[HV_INSNS];
};

/* A rule of the VM entry that is broken on purpose (explain.c). */
struct vcpu_breaking {
	enum { BREAK_NONE, BREAK_CHECK, BREAK_ARMED, BREAK_PLANTED } state;
	uint32_t number; /* which break: index in the back end's table */
	uint64_t old[2]; /* values of the fields that were changed */
};

/*
 * Requests: what must be looked at before an entry.  Whoever has work for vcpu_prepare() sets the
 * bit, maybe from another CPU; the bit is cleared where the work is done.
 */
enum {
	REQ_RECALL = 1 << 0,   /* this CPU was recalled from guest mode: obey first */
	REQ_KICK = 1 << 1,     /* return to the monitor with VM_EXIT_EVENT */
	REQ_EVENT = 1 << 2,    /* inject pending.event */
	REQ_HELD_IRQ = 1 << 3, /* inject pending.held_irq as soon as the guest can take it */
	REQ_IRQ = 1 << 4,    /* the monitor has an interrupt: tell it when the guest can take it */
	REQ_WINDOW = 1 << 5, /* the back end's interrupt window is on: is it still wanted? */
	REQ_HALTED = 1 << 6, /* the guest sleeps in HLT: do not enter it, an event ends that */
	REQ_FLUSH = 1 << 7,  /* entries of the nested page table went: flush */
	REQ_BREAK = 1 << 8,  /* breaking.state asks for something */
	REQ_SWITCHLOG = 1 << 9, /* the entry is the last step that kern/switchlog.c narrates */
};

struct vcpu {
	struct vcpu_guest guest; /* first: entry.S addresses gpr[] from the vCPU */
	uint64_t host_rsp;       /* as the back end last recorded it */
	void *backend;           /* struct vmx_vcpu or struct svm_vcpu */
	struct vm *vm;
	struct env *env;    /* drives this vCPU */
	struct vm_run *run; /* kernel's address of the run page, without data[] */
	uint8_t *data;      /* kernel's address of run->data[], a frame of its own */
	uint64_t run_va;    /* hva of the run page, in the monitor */
	uint32_t index;     /* in vm->vcpus[] */
	uint32_t requests;  /* REQ_: what must be done before the next entry; 0: enter at once */
	int loaded_cpu;     /* the CPU whose hardware holds the control block; -1: none */
	uint64_t let_in_at; /* TSC at which an exit lets host interrupts in */
	struct vcpu_pending pending;
	struct vcpu_tlb tlb;
	struct vcpu_fetch fetch;
	struct vcpu_breaking breaking;
	void *fpu;             /* XSAVE area */
	struct arena arena;    /* this, the back end's part and the XSAVE area */
	struct shadow *shadow; /* shadow/shadow.h; NULL: nested paging */
	struct acct acct;
};
_Static_assert(__builtin_offsetof(struct vcpu, guest.gpr) == 0,
               "entry.S addresses gpr[] from the vcpu");

/* Returns those of the requests that were made. */
static inline uint32_t
vcpu_requested(const struct vcpu *v, uint32_t requests)
{
	return __atomic_load_n(&v->requests, __ATOMIC_RELAXED) & requests;
}

/* A full barrier: whoever takes the request sees what was written before. */
static inline void
vcpu_request(struct vcpu *v, uint32_t requests)
{
	__atomic_or_fetch(&v->requests, requests, __ATOMIC_SEQ_CST);
}

/* Clears the requests.  A full barrier: clear first, then look at what they are about. */
static inline void
vcpu_drop_request(struct vcpu *v, uint32_t requests)
{
	__atomic_and_fetch(&v->requests, ~requests, __ATOMIC_SEQ_CST);
}

/* Was the request made?  Then clears it, for the caller to serve. */
static inline bool
vcpu_take_request(struct vcpu *v, uint32_t request)
{
	if (!vcpu_requested(v, request))
		return false;
	vcpu_drop_request(v, request);
	return true;
}

struct vm_slot {
	uint64_t gpa, size, hva;
};

struct vm {
	uint32_t id;
	uint32_t owner;
	bool used;
	char name[VM_NAME_MAX];
	uint32_t leaves;
	uint32_t trace; /* exits that each vCPU's recorder keeps; 0: the default */
	enum vm_paging paging;
	uint64_t ram;
	struct aspace *as;
	struct aspace_watcher watcher;
	struct vm_slot slots[VM_SLOTS_MAX];
	unsigned int slot_count;
	struct pt npt;           /* EPT or NPT */
	uint64_t mapped;         /* bytes */
	uint64_t tlb_gen;        /* grows when an entry is removed or narrowed */
	uint32_t asid;           /* VPID or ASID */
	uint32_t clones;         /* calls of vm_clone */
	int32_t cloned;          /* the last one's result */
	uint32_t requests;       /* VM_REQ_ bits that the monitor has not taken yet */
	struct vm_stats *marked; /* the accounts at the last vm_mark; NULL before the first */
	struct vcpu *vcpus[VM_VCPUS_MAX];
	unsigned int vcpu_count;
};

#endif
