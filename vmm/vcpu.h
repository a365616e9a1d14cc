#ifndef NESTLING_VMM_VCPU_H
#define NESTLING_VMM_VCPU_H

#include "kern/aspace.h"
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

/* What a vCPU waits for from the monitor. */
enum { PENDING_NONE, PENDING_IN, PENDING_MMIO };

struct vcpu {
	/* First, for assembly: GPRs in hardware order.  RSP is the back end's. */
	uint64_t gpr[REG_COUNT];
	uint64_t host_rsp; /* as the back end last recorded it */
	void *backend;     /* struct vmx_vcpu or struct svm_vcpu */
	struct vm *vm;
	struct env *env;    /* who drives it */
	uint64_t run_va;    /* of the run page in the monitor */
	struct vm_run *run; /* kernel's address of it; its data[] is elsewhere: */
	uint8_t *data;      /* kernel's address of run->data[], a frame of its own */
	uint32_t index;
	/* Set by whoever changes what vcpu_prepare() looks at: kick, halted, event, held_irq,
	 * irq_wanted, the VM's tlb_gen.  Clear in the common case, where an entry needs nothing
	 * else. */
	volatile bool attention;
	volatile bool recalled;
	volatile bool kick; /* come back to the monitor with VM_EXIT_EVENT */
	bool halted;
	bool dead_halt;        /* halted with interrupts off: only other vCPUs go on */
	bool stopped;          /* never enter again */
	bool state_loaded;     /* FPU, debug and SYSCALL registers are on loaded_cpu */
	int loaded_cpu;        /* the CPU whose hardware holds this vCPU's control block; -1 none */
	uint32_t tlb_cpu;      /* the CPU that it was loaded on last */
	uint8_t stale;         /* TLB_NESTED, TLB_LINEAR: to be flushed before the next entry */
	uint64_t tlb_moves;    /* how often that was another than before */
	uint64_t window_at;    /* TSC at which an exit lets host interrupts in */
	uint64_t serial;       /* never used twice */
	uint64_t flushed;      /* vm->tlb_gen as of the last flush on loaded_cpu, or TLB_UNKNOWN */
	struct hv_event event; /* to deliver at the next entry */
	uint32_t held_irq;     /* HV_EVENT_VALID | vector: taken from the PIC, waits for a window */
	bool irq_wanted;       /* the monitor has an interrupt: tell it when it can be taken */
	bool window_open;      /* the back end's interrupt window is on */
	/* See vcpu_break(). */
	struct {
		enum { BREAK_NONE, BREAK_CHECK, BREAK_ARMED, BREAK_PLANTED } state;
		uint32_t fault;
		uint64_t old[2]; /* values of the fields that were changed */
	} debug;
	/* An IN or an access to device memory that waits for the monitor. */
	struct {
		uint8_t pending; /* PENDING_ */
		bool string;
		uint8_t size;
		bool down; /* RFLAGS.DF */
		uint32_t count;
		uint64_t gpa;      /* of the lowest byte, */
		uint64_t last_gpa; /* and of the highest, which may be in another page */
	} in;
	/* See mmio.c. */
	struct {
		const struct hv_insn *insn; /* of the access that waits */
		uint64_t to_gpa, last_gpa;  /* of what it writes, and in RAM its last byte */
		bool writing;               /* the monitor writes; it reads before, if it does */
		bool again;                 /* go to the monitor at once, to write */
	} mmio;
	struct hv_code_page code;
	struct hv_insn insns[HV_INSNS];
	/* Guest state that the hardware does not switch. */
	uint64_t cr2, cr8, xcr0;
	uint64_t dr[4], dr6;
	uint64_t star, lstar, cstar, fmask, kernel_gs_base;
	uint64_t apic_base, misc_enable;
	int64_t tsc_offset;    /* guest TSC = host TSC + this */
	void *fpu;             /* XSAVE area */
	struct arena arena;    /* this, the back end's part and the XSAVE area */
	struct shadow *shadow; /* see shadow.h; NULL: nested paging */
	struct acct acct;
	uint64_t vmreads, vmwrites;
};
_Static_assert(__builtin_offsetof(struct vcpu, gpr) == 0, "entry.S addresses gpr[] from the vcpu");

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
	struct pt npt;            /* EPT or NPT */
	uint64_t tables_promised; /* pages set aside for npt's tables */
	uint64_t mapped;          /* bytes */
	uint64_t tlb_gen;         /* grows when an entry is removed or narrowed */
	uint32_t asid;            /* VPID or ASID */
	uint32_t clones;          /* calls of vm_clone */
	int32_t cloned;           /* the last one's result */
	uint32_t requests;        /* VM_REQ_ bits that the monitor has not taken yet */
	struct vm_stats *marked;  /* the accounts at the last vm_mark; NULL before the first */
	struct vcpu *vcpus[VM_VCPUS_MAX];
	unsigned int vcpu_count;
};

#endif
