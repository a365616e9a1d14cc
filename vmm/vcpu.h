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

/* The page that instructions were last read from, and the guest's table entries that map it. */
struct hv_code_page {
	const uint8_t *bytes; /* kernel address of the page's first byte */
	uint64_t gva;         /* of the page's first byte */
	uint64_t cr3;         /* as in struct hv_code */
	/* vm->tlb_gen when the page was found.  The kernel addresses here are good as long as the
	 * VM's tlb_gen stays the same.  HV_NO_CODE: no page was found. */
	uint64_t tlb_gen;
	/* The words that hold the table entries.  Unused slots point at their own `value`, so the
	 * comparison in gmem_code_kept() always succeeds for them. */
	struct hv_code_entry {
		const uint64_t *at; /* kernel address of the word */
		uint64_t value;     /* what the word held when the page was found */
	} entry[PT_LEVELS];
};
#define HV_NO_CODE UINT64_MAX

/* Eight bytes of code, at any alignment. */
typedef uint64_t code_word_t __attribute__((aligned(1), may_alias));

/* A decoded instruction.  The same bytes in the same mode need not be decoded again. */
struct __attribute__((aligned(128))) hv_insn { /* so that indexing is a shift */
	union {
		uint8_t bytes[16]; /* the instruction and what follows it in memory */
		uint64_t words[2];
	};
	uint8_t mode;   /* enum insn_mode */
	uint8_t count;  /* how many of the bytes were read, at most VM_INSN_MAX */
	bool on_memory; /* mem is valid */
	bool is_sys;    /* sys is valid */
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
	/* General registers in hardware order.  They come first, for assembly.  RSP's value is in
	 * the control block; gpr[REG_RSP] is a copy that decode() makes where it is needed. */
	uint64_t gpr[REG_COUNT];
	uint64_t cr2, cr8, xcr0;
	uint64_t dr[4], dr6;
	uint64_t star, lstar, cstar, fmask, kernel_gs_base;
	uint64_t apic_base, misc_enable;
	int64_t tsc_offset; /* guest TSC = host TSC + tsc_offset */
};

/* Events and answers that the guest has not got yet, and how it sleeps.  A clone copies all. */
struct vcpu_pending {
	struct hv_event event; /* the next entry delivers it; info 0: none */
	uint32_t held_irq;     /* vector that was taken from the PIC; valid with REQ_HELD_IRQ */
	bool dead_halt;        /* HLT with interrupts off: only another vCPU's INIT ends it */
	bool stopped;          /* vcpu_run() must not enter the guest */
	/* The monitor's answer that must go to the guest before the next entry. */
	enum { PENDING_NONE, PENDING_IN, PENDING_MMIO } answer;
	/* PENDING_IN: the IN or INS that waits (io.c). */
	struct {
		uint32_t count; /* items */
		uint8_t size;   /* bytes of an item */
		bool string;
		bool down; /* RFLAGS.DF: the addresses of the items fall */
		/* gpa of the lowest and of the highest byte; they may lie in two pages. */
		uint64_t gpa, last_gpa;
	} in;
	/* PENDING_MMIO: the access to device memory that waits (mmio.c). */
	struct {
		const struct hv_insn *insn; /* in fetch.insns of the same vCPU */
		uint64_t to_gpa, last_gpa;  /* first and last byte that the instruction writes */
		bool writing;               /* the monitor was asked to write; false: to read */
	} mmio;
};

/* Notes on what the TLB of loaded_cpu may hold of this vCPU's guest (vtlb.c). */
struct vcpu_tlb {
	uint64_t flushed; /* vm->tlb_gen at the last flush on loaded_cpu, or TLB_UNKNOWN */
	uint64_t serial;  /* a number that no other vCPU ever has */
	uint64_t moves;   /* how often the vCPU was loaded on another CPU than before */
	uint32_t cpu;     /* index of the CPU that the vCPU was loaded on last */
	uint8_t stale;    /* TLB_NESTED, TLB_LINEAR: must be flushed before the next entry */
};

/* The code that was read last (fetch.c). */
struct vcpu_fetch {
	struct hv_code_page page;
	struct hv_insn insns[HV_INSNS];
};

/* A break: a rule of VM entries that is broken on purpose (explain.c). */
struct vcpu_breaking {
	enum {
		BREAK_NONE,
		BREAK_CHECK,   /* check the rules before each entry; break none */
		BREAK_ARMED,   /* the next entry plants the break */
		BREAK_PLANTED, /* fields of the control block are changed */
	} state;
	uint32_t number; /* index of the break in hv->debug->breaks[] */
	uint64_t old[2]; /* what the fields `enable` and `change` of the break held before */
};

/*
 * Requests: work that must be done before the next entry.  Whoever has work for vcpu_prepare() sets
 * a bit, maybe from another CPU.  The bit is cleared where the work is done.
 */
enum {
	REQ_RECALL = 1 << 0,   /* the CPU was recalled from guest mode: heed that first */
	REQ_KICK = 1 << 1,     /* return to the monitor with VM_EXIT_EVENT */
	REQ_EVENT = 1 << 2,    /* inject pending.event */
	REQ_HELD_IRQ = 1 << 3, /* inject pending.held_irq as soon as the guest can take it */
	REQ_IRQ = 1 << 4,    /* the monitor has an interrupt: tell it when the guest can take it */
	REQ_WINDOW = 1 << 5, /* the interrupt window is on: look whether it is still wanted */
	REQ_HALTED = 1 << 6, /* the guest sleeps in HLT: do not enter it before an event comes */
	REQ_FLUSH = 1 << 7,  /* the page tables that run the guest lost entries: flush the TLB */
	REQ_BREAK = 1 << 8,  /* breaking.state is not BREAK_NONE: check or break the entry */
	REQ_SWITCHLOG = 1 << 9, /* report the entry to kern/switchlog.c, as a switch's last step */
};

struct vcpu {
	struct vcpu_guest guest; /* first: entry.S addresses gpr[] from the vCPU */
	uint64_t host_rsp;       /* what the VMCS's HOST_RSP holds; VMX only */
	void *backend;           /* struct vmx_vcpu or struct svm_vcpu */
	struct vm *vm;
	struct env *env;    /* the Env that drives this vCPU */
	struct vm_run *run; /* kernel address of the run page, without data[] */
	uint8_t *data;      /* kernel address of run->data[], which has a frame of its own */
	uint64_t run_va;    /* hva of the run page */
	uint32_t index;     /* in vm->vcpus[] */
	uint32_t requests;  /* REQ_ bits; 0: the guest may be entered at once */
	int loaded_cpu;     /* index of the CPU whose hardware holds the control block; -1: none */
	uint64_t let_in_at; /* TSC of the host at which an exit lets host interrupts in */
	struct vcpu_pending pending;
	struct vcpu_tlb tlb;
	struct vcpu_fetch fetch;
	struct vcpu_breaking breaking;
	void *fpu;             /* the guest's XSAVE or FXSAVE area */
	struct arena arena;    /* holds this structure, *backend, *fpu and *shadow */
	struct shadow *shadow; /* shadow/shadow.h; NULL: nested paging */
	struct acct acct;
};
_Static_assert(__builtin_offsetof(struct vcpu, guest.gpr) == 0,
               "entry.S addresses gpr[] from the vcpu");

/* Returns those of the given requests that are pending. */
static inline uint32_t
vcpu_requested(const struct vcpu *v, uint32_t requests)
{
	return __atomic_load_n(&v->requests, __ATOMIC_RELAXED) & requests;
}

/* Makes the requests.  A full barrier: whoever takes a request sees what was written before. */
static inline void
vcpu_request(struct vcpu *v, uint32_t requests)
{
	__atomic_or_fetch(&v->requests, requests, __ATOMIC_SEQ_CST);
}

/* Clears the requests.  A full barrier: first clear a request, then look at what it is about. */
static inline void
vcpu_drop_request(struct vcpu *v, uint32_t requests)
{
	__atomic_and_fetch(&v->requests, ~requests, __ATOMIC_SEQ_CST);
}

/* Returns whether the request is pending, and clears it: the caller must serve it. */
static inline bool
vcpu_take_request(struct vcpu *v, uint32_t request)
{
	if (!vcpu_requested(v, request))
		return false;
	vcpu_drop_request(v, request);
	return true;
}

/* A range of RAM: the guest's [gpa, gpa + size) is the monitor's memory from hva on. */
struct vm_slot {
	uint64_t gpa, size, hva;
};

struct vm {
	uint32_t id;    /* no other VM ever has it */
	uint32_t owner; /* id of the Env that leads the monitor */
	bool used;
	char name[VM_NAME_MAX];
	uint32_t leaves; /* profile of the statistics leaves: 1, 2 or 3 */
	uint32_t trace;  /* exits that each vCPU's recorder keeps; 0: the default */
	enum vm_paging paging;
	uint64_t ram;                  /* bytes, as configured; slots[] is what there is */
	struct aspace *as;             /* the monitor's memory */
	struct aspace_watcher watcher; /* tells npt.c of changes in as */
	struct vm_slot slots[VM_SLOTS_MAX];
	unsigned int slot_count;
	struct pt npt;           /* EPT or NPT */
	uint64_t mapped;         /* bytes that npt maps */
	uint64_t tlb_gen;        /* grows when npt or a shadow loses entries or rights */
	uint32_t asid;           /* VPID or ASID: 1 + index of the VM */
	uint32_t clones;         /* calls of vm_clone so far */
	int32_t cloned;          /* result of the last vm_clone: the clone's id, or -E_ */
	uint32_t requests;       /* VM_REQ_ bits that the monitor has not taken yet */
	struct vm_stats *marked; /* the accounts at the last vm_mark; NULL before the first */
	struct vcpu *vcpus[VM_VCPUS_MAX];
	unsigned int vcpu_count;
};

#endif
