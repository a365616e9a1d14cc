#ifndef NESTLING_VMM_HV_H
#define NESTLING_VMM_HV_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/vm.h"
#include "kern/audit/audit.h"
#include "kern/aspace.h"
#include "lib/insn/insn.h"
#include "vmm/acct/acct.h"

/*
 * The hypervisor's one public header: what the kernel calls, what back ends
 * implement, and the structures between them.
 */

struct env;
struct vcpu;
struct vm;

/* What a checker of entry rules has found: vmm/explain.c. */
struct findings;

/* A change of one field of the control block; where and size are the back end's. */
struct hv_change {
	const char *field; /* NULL: none */
	uint32_t where, size;
	uint64_t clear, set;
};

/* A fault to plant, so that the hardware refuses an entry. */
struct hv_fault {
	const char *name;
	struct hv_change change;
	struct hv_change enable; /* where the rule does not apply otherwise */
};

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

/* What the instruction at RIP is read by. */
struct hv_code {
	uint64_t cr3;
	enum insn_mode mode;
};

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

typedef void (*hv_print_t)(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A back end.  All functions return 0 or -E_ unless they say otherwise. */
struct hv_ops {
	const char *name; /* "VMX", "SVM" */
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
	void (*load)(struct vcpu *v);     /* make it current on this CPU */
	void (*put)(struct vcpu *v);      /* off this CPU, so that another may load it */
	const char *load_text, *put_text; /* what these do, for a reader: kern/switchlog.c */
	uint64_t (*block_pa)(const struct vcpu *v); /* hpa of the control block */
	int (*enter)(struct vcpu *v);               /* 0 after an exit; -E_ENTRY when refused */
	void (*decode)(struct vcpu *v, struct hv_exit *x);
	void (*skip)(struct vcpu *v, const struct hv_exit *x);
	void (*get_regs)(struct vcpu *v, struct vm_regs *r);
	int (*set_regs)(struct vcpu *v, const struct vm_regs *r);
	/* Mode and page tables of the code at RIP; and RSP goes to v->gpr[]. */
	struct hv_code (*get_code)(struct vcpu *v);
	/* Is the access of this HV_EXIT_EPT_VIOLATION the instruction's at RIP?  If not, why. */
	bool (*mem_by_insn)(struct vcpu *v, const struct hv_exit *x, enum vm_mem_why *why);
	/* Fast single accessors for handlers. */
	uint64_t (*get_rip)(struct vcpu *v);
	void (*set_rsp)(struct vcpu *v, uint64_t value);
	uint64_t (*get_rflags)(struct vcpu *v);
	void (*set_rflags)(struct vcpu *v, uint64_t value);
	void (*get_segment)(struct vcpu *v, enum vm_seg s, struct vm_segment *out);
	uint64_t (*get_cr)(struct vcpu *v, unsigned int cr); /* 0, 3, 4 as the guest sees them */
	void (*set_cr)(struct vcpu *v, unsigned int cr, uint64_t value);
	uint64_t (*get_dr7)(struct vcpu *v);
	void (*set_dr7)(struct vcpu *v, uint64_t value);
	uint64_t (*get_efer)(struct vcpu *v);
	void (*set_efer)(struct vcpu *v, uint64_t value);
	/* MSRs that live in the control block (FS_BASE, SYSENTER_*, ...): -E_NOT_FOUND for others.
	 */
	int (*get_msr)(struct vcpu *v, uint32_t msr, uint64_t *value);
	int (*set_msr)(struct vcpu *v, uint32_t msr, uint64_t value);
	void (*set_tsc_offset)(struct vcpu *v, int64_t offset);
	/* The host's interrupt or NMI that ended guest mode is handled.  Called without the kernel
	 * lock. */
	void (*take_interrupt)(const struct hv_exit *x);
	bool (*irq_ready)(struct vcpu *v); /* would an interrupt be taken now? */
	void (*irq_window)(struct vcpu *v, bool on);
	void (*shield)(struct vcpu *v); /* puts the instruction at RIP into STI's shadow */
	/* Is the guest in an interrupt shadow that an entry may drop?  NULL: entries keep it. */
	bool (*shadow_at_risk)(struct vcpu *v);
	void (*inject)(struct vcpu *v); /* v->event, at the next entry */
	/* All translations of this VM, on this CPU, at the next entry at the latest: clears
	 * v->stale where the hardware is told. */
	void (*flush)(struct vcpu *v);
	/* Reserved bits that the processor itself may set in PAE's top entries, with nested paging.
	 */
	uint64_t pdpte_set;
	uint64_t (*npt_leaf)(uint64_t pa, bool writable, bool large);
	void (*dump)(struct vcpu *v, hv_print_t print); /* the control block, which is current */
	/* After a refused entry: what the hardware said (x; NULL when enter() failed), and which
	 * rules are broken. */
	void (*explain)(struct vcpu *v, const struct hv_exit *x, struct findings *out);
	/* The same rules, all of them, before an entry. */
	void (*check)(struct vcpu *v, struct findings *out);
	/* Keeps the control block as it is now, for explain(); NULL where nothing spoils it. */
	void (*keep)(struct vcpu *v);
	const struct hv_fault *faults;
	const unsigned int *fault_count;
	uint64_t (*field_read)(struct vcpu *v, const struct hv_change *c);
	void (*field_write)(struct vcpu *v, const struct hv_change *c, uint64_t value);
};

/* The back end in use, or NULL with hv_caps.refusal saying why. */
extern const struct hv_ops *hv;
extern struct hv_caps hv_caps;

/* Boot: probes both back ends and switches one on. */
void hv_init(void);
/* Boot of another CPU: switches the back end on there, if there is one.  -E_NO_HV: not there. */
int hv_cpu_on(void);
/* Enters the guest of e's vCPU until the monitor is needed (returns vcpu_run's result)
 * or the CPU is given up (calls sched_yield and does not return).  Without the lock. */
int64_t vcpu_loop(struct env *e);
/* Takes the guest state that is on this CPU off it; env_run calls it before another Env runs. */
void hv_switch_out(void);
/* e ends: its VM, if it has one, is freed. */
void vm_env_exit(struct env *e);
/* Something happened that the monitor of this vCPU should see. */
void vcpu_kick(struct vcpu *v);
/* v's Env goes to another CPU, or ends: v's state is in no CPU any more.  It runs on no other one.
 */
void vcpu_unload(struct vcpu *v);
/* An NMI ends guest mode where v's Env runs: v finds its CPU called back before the next entry. */
void vcpu_recalled(struct vcpu *v);
/* The scheduler's word on the Env that drives this vCPU: it waits for a CPU, or has got one. */
void vcpu_waits(struct vcpu *v);
void vcpu_has_cpu(struct vcpu *v);
unsigned int vm_count(void);
/* Control blocks of a VM, or of all with id 0, as text until the next dump.  NULL: no such VM. */
const char *vm_dump(uint64_t id);

/* The hypervisor's part of an audit, and of planting violations: kern/audit/audit.h. */
void hv_audit(enum audit_pass pass);
int hv_audit_plant(struct env *e, enum audit_rule rule);

/* System calls (inc/syscall.h). */
int64_t vm_create(struct env *e, uint64_t config_va);
int64_t vm_destroy(struct env *e, uint64_t id);
int64_t vm_map(struct env *e, uint64_t id, uint64_t gpa, uint64_t hva, uint64_t size);
int64_t vm_clone(struct env *e, uint64_t id, uint64_t new_id_va, bool sibling);
int64_t vcpu_create(struct env *e, uint64_t id, uint64_t run_va);
/* Without the lock, which most runs do without. */
int64_t vcpu_run(struct env *e, uint64_t id, uint64_t vcpu);
int64_t vcpu_get_regs(struct env *e, uint64_t id, uint64_t vcpu, uint64_t regs_va);
int64_t vcpu_set_regs(struct env *e, uint64_t id, uint64_t vcpu, uint64_t regs_va);
int64_t vcpu_set_back(struct env *e, uint64_t id, uint64_t vcpu, uint64_t ticks);
/* For the VM's own monitor. */
int64_t vcpu_kick_own(struct env *e, uint64_t id, uint64_t vcpu);
int64_t vcpu_reset_own(struct env *e, uint64_t id, uint64_t vcpu);
/* -E_AGAIN: it has not been kicked yet, and the caller waits, in the state VM_TIME_HALTED or
 * VM_TIME_PAUSED. */
int64_t vcpu_wait(struct env *e, uint64_t id, uint64_t vcpu, uint64_t as);
int64_t vm_post(struct env *e, uint64_t id, uint64_t requests);
/* -E_AGAIN: there is none yet, and the caller wants to wait. */
int64_t vm_requests(struct env *e, uint64_t id, bool wait);
int64_t vm_info(struct env *e, uint64_t index, uint64_t info_va);
/* vcpu: a number, or VM_ALL_VCPUS. */
int64_t vm_stats(struct env *e, uint64_t id, uint64_t vcpu, uint64_t stats_va);
int64_t vm_mark(struct env *e, uint64_t id, uint64_t now_va, uint64_t before_va);
int64_t vm_histogram(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t buckets_va);
int64_t vm_keys(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t keys_va);
int64_t vm_trace(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t trace_va);
int64_t vm_span(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t span_va);
int64_t hv_get_caps(struct env *e, uint64_t caps_va);
int64_t vm_fault(struct env *e, uint64_t index, uint64_t fault_va);
int64_t vcpu_break(struct env *e, uint64_t id, uint64_t vcpu, uint64_t fault);

#endif
