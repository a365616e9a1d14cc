#ifndef NESTLING_INC_VM_H
#define NESTLING_INC_VM_H

#include <stdint.h>

/*
 * The monitor ABI: what the user program `vm` and the kernel share about VMs.
 * Addresses are named by kind: gva, gpa, hva (in the monitor's address space).
 */

enum hv_exit_kind {
#define EXIT_KIND(kind, reason, name, handler) HV_EXIT_##kind,
#include "inc/exits.def"
#undef EXIT_KIND
	HV_EXIT_KINDS
};

/* The Intel basic exit reason of HV_EXIT_UNKNOWN. */
enum { HV_REASON_NONE = 0xffff };
#define HV_REASON_MAX 69 /* the statistics leaves know reasons 0 to 68 */

/* General-purpose registers in hardware encoding order. */
enum vm_reg {
	REG_RAX,
	REG_RCX,
	REG_RDX,
	REG_RBX,
	REG_RSP,
	REG_RBP,
	REG_RSI,
	REG_RDI,
	REG_R8,
	REG_R9,
	REG_R10,
	REG_R11,
	REG_R12,
	REG_R13,
	REG_R14,
	REG_R15,
	REG_COUNT
};

/* Segment registers in hardware encoding order, then the two system ones. */
enum vm_seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

/*
 * A segment register.  ar has VMX's access-rights format: type 3:0, S 4, DPL 6:5, P 7, AVL 12,
 * L 13, D/B 14, G 15, unusable 16.
 */
struct vm_segment {
	uint64_t base;
	uint32_t limit;
	uint16_t sel;
	uint16_t pad;
	uint32_t ar;
	uint32_t pad2;
};

enum {
	SEG_AR_RW = 1 << 1,   /* data: writable; code: readable */
	SEG_AR_DOWN = 1 << 2, /* data: expands down */
	SEG_AR_CODE = 1 << 3,
	SEG_AR_TSS_32 = 1 << 3, /* TSS: a 32-bit or 64-bit one */
	SEG_AR_L = 1 << 13,
	SEG_AR_DB = 1 << 14,
	SEG_AR_G = 1 << 15,
	SEG_AR_UNUSABLE = 1 << 16
};

struct vm_regs {
	uint64_t gpr[REG_COUNT];
	uint64_t rip, rflags;
	uint64_t cr0, cr2, cr3, cr4, cr8, efer;
	uint64_t dr[4], dr6, dr7;
	struct vm_segment seg[SEG_COUNT];
	uint64_t gdtr_base, idtr_base;
	uint32_t gdtr_limit, idtr_limit;
};

enum {
	VM_NAME_MAX = 32, /* with the closing 0 */
	VM_MAX = 256,
	VM_SLOTS_MAX = 8, /* RAM ranges of one VM */
	VM_VCPUS_MAX = 8,
	VM_IO_BYTES = 4096, /* most bytes that one string-I/O exit moves */
};

#define VM_GPA_LIMIT (1ull << 39) /* 512 GiB, as the guest's physical address width shows */

/* Who translates the guest's virtual addresses to frames. */
enum vm_paging {
	VM_PAGING_NESTED, /* the processor, in two steps: the guest's tables, then EPT or NPT */
	VM_PAGING_SHADOW, /* tables of the hypervisor's, made from the guest's */
	VM_PAGING_SHADOW_NOCACHE, /* the same, made anew at each load of CR3 */
	VM_PAGINGS
};

struct vm_config {
	char name[VM_NAME_MAX];
	uint64_t ram;    /* bytes, shown by `vms`; vm_map gives the RAM */
	uint32_t leaves; /* statistics leaves profile: 1, 2 or 3 */
	uint32_t trace;  /* exits that the flight recorder keeps, at least; 0: VM_TRACE_DEFAULT */
	uint32_t paging; /* enum vm_paging */
};

/* Why vcpu_run came back. */
enum vm_exit {
	VM_EXIT_EVENT,      /* the deadline passed, or somebody kicked the vCPU */
	VM_EXIT_IO,         /* io: do it, put IN data in data[], run again */
	VM_EXIT_MMIO,       /* mmio: an instruction's access outside RAM: do it, run again */
	VM_EXIT_MEM,        /* mem: another access outside RAM, which nobody can do */
	VM_EXIT_IRQ_WINDOW, /* irq_pending was set and the guest can take an interrupt now */
	VM_EXIT_CONSOLE,    /* console: the guest prints data[], by hypercall */
	VM_EXIT_STOP,       /* stop: this vCPU cannot go on; text says why */
	VM_EXITS
};

enum vm_stop {
	VM_STOP_TRIPLE_FAULT,
	VM_STOP_ENTRY_FAILED,
	VM_STOP_UNHANDLED, /* an exit that nobody handles */
	VM_STOP_DEAD_HALT, /* HLT with interrupts off: nothing can wake it */
	VM_STOP_INTERNAL,
	VM_STOP_NO_PAGING, /* the guest runs without paging, and hv_caps has no `nested` */
};

enum { VM_STOP_TEXT = 1024, VM_INSN_MAX = 15 };

enum { VM_ACCESS_READ = 1, VM_ACCESS_WRITE = 2, VM_ACCESS_EXEC = 4 };

/* Why the monitor cannot do an access outside RAM for the guest. */
enum vm_mem_why {
	VM_MEM_CODE,    /* the guest fetches instructions there */
	VM_MEM_TABLES,  /* the guest has page tables there */
	VM_MEM_EVENT,   /* an event's delivery needs it: stack, IDT, GDT, TSS */
	VM_MEM_INSN,    /* lib/insn/insn.h does not know the instruction */
	VM_MEM_CROSSES, /* the operand lies in two pages */
};

enum { VM_INJECT_VALID = 1 << 31 };

/*
 * The run page of a vCPU, shared between kernel and monitor.  The kernel reads
 * the monitor's half once per vcpu_run and checks what it read.
 */
struct vm_run {
	/* Written by the monitor. */
	uint64_t deadline;    /* TSC of the next device event; UINT64_MAX: none */
	uint32_t irq_pending; /* the interrupt line: VM_EXIT_IRQ_WINDOW once it can be taken */
	uint32_t inject; /* VM_INJECT_VALID | vector: deliver before running; only when irq_ready */

	/* Written by the kernel. */
	uint32_t exit; /* enum vm_exit */
	/* An interrupt injected now would be delivered at once; the monitor clears it. */
	uint32_t irq_ready;
	union {
		struct {
			uint16_t port;
			uint8_t size;   /* bytes of an item: 1, 2, 4 */
			uint8_t in;     /* 1: guest reads */
			uint32_t count; /* items; more than 1 only for string I/O */
		} io;                   /* data[] holds or takes size * count bytes */
		struct {
			uint64_t gpa;
			uint64_t value; /* to write, or read by the monitor */
			uint8_t size;   /* bytes: 1, 2, 4, 8; all in one page */
			uint8_t write;  /* 0: guest reads */
		} mmio;
		struct {
			uint64_t gpa;
			uint32_t access; /* VM_ACCESS_ */
			uint32_t why;    /* enum vm_mem_why */
		} mem;
		struct {
			uint32_t count; /* bytes of data[] */
		} console;
		struct {
			uint32_t why;  /* enum vm_stop */
			uint32_t kind; /* enum hv_exit_kind of the exit that stopped it */
		} stop;
	};
	char text[VM_STOP_TEXT]; /* VM_EXIT_STOP: lines, the last without newline */
	/* VM_EXIT_MMIO, VM_EXIT_MEM, VM_EXIT_STOP: RIP and CS's base of the guest. */
	uint64_t rip, cs_base;
	uint32_t insn_len; /* bytes read into insn[]; VM_MEM_INSN: the instruction's length */
	uint8_t insn[VM_INSN_MAX];

	uint8_t data[VM_IO_BYTES] __attribute__((aligned(4096)));
};

_Static_assert(sizeof(struct vm_run) == 8192, "the run page is two pages");
_Static_assert(__builtin_offsetof(struct vm_run, data) == 4096, "data has a page of its own");

/* The accounts that a vCPU's time goes to. */
enum vm_time {
	VM_TIME_GUEST,   /* from an entry to the exit */
	VM_TIME_HANDLER, /* from an exit to the next entry, or to where the vCPU stops running */
	VM_TIME_MONITOR, /* in the monitor, from where the exit left guest mode to the next entry */
	VM_TIME_HALTED,  /* in HLT, until something wakes it */
	VM_TIME_PAUSED,  /* the monitor waits for a request: see enum vm_request */
	VM_TIME_WAITING, /* runnable, while the CPU is another's */
	VM_TIMES
};

/* In place of a vCPU's index, for the calls that read accounts: the sum over all vCPUs. */
#define VM_ALL_VCPUS UINT32_MAX

/*
 * Counters of a vCPU, or the sums over all vCPUs of a VM.  Cycles are TSC ticks; the cycles of a
 * kind are VM_TIME_HANDLER's.  count[] adds up to total, cycles[] to total_cycles, time[] to wall.
 */
struct vm_stats {
	uint32_t id;
	uint32_t live;  /* 0: the VM has ended */
	uint32_t vcpus; /* number of its vCPUs */
	uint32_t vcpu;  /* the vCPU that these counters are of, or VM_ALL_VCPUS */
	char name[VM_NAME_MAX];
	uint64_t count[HV_EXIT_KINDS];
	uint64_t cycles[HV_EXIT_KINDS];
	uint64_t min[HV_EXIT_KINDS], max[HV_EXIT_KINDS];
	uint64_t monitor[HV_EXIT_KINDS]; /* VM_TIME_MONITOR, charged to the exit that went there */
	uint64_t total, total_cycles;
	uint64_t time[VM_TIMES];
	uint64_t wall;              /* since the vCPUs were created */
	uint64_t vmreads, vmwrites; /* made by the exit path; VMX only */
	uint64_t table_pages;       /* nested and shadow tables' pages, now or when the VM ended */
};

enum {
	VM_KEPT = 2, /* VMs whose accounts are kept when they have ended */
	/*
	 * Buckets of a histogram.  Bucket n counts exits of 2^(n+5) to 2^(n+6)-1 cycles; the first
	 * one also counts exits that took less, and the last one exits that took more.
	 */
	VM_BUCKETS = 23,
	VM_BUCKET_SHIFT = 5,
	VM_KEYS_MAX = 128,
	VM_TRACE_DEFAULT = 256,
	VM_TRACE_MAX = 16384,
};

/*
 * In place of a VM's id, for the calls that read accounts: the VM that ended last (n = 0), or n
 * before.
 */
#define VM_ENDED(n) (0u - (n))

/* A sub-key of a kind: a port, an MSR, a CPUID leaf, or the gpa of a page. */
#define VM_KEY_NONE UINT64_MAX
struct vm_key {
	uint64_t key;
	uint64_t count, cycles;
};

/* The sub-keys of a kind.  A full table gives up its least rows: they become part of overflow. */
struct vm_keys {
	uint64_t rows;
	struct vm_key row[VM_KEYS_MAX];
	struct vm_key overflow;
};

/*
 * What the run loop must do after a handler: one of these, and HV_SKIP if the instruction has been
 * executed.
 */
enum hv_action {
	HV_RESUME, /* enter the guest: at the same RIP, or where an injected event goes */
	HV_USER,   /* return to the monitor with what vm_run says */
	HV_STOP,   /* return to the monitor: this vCPU is finished, vm_run.text says why */
	HV_LET_IN, /* let in the host interrupts that may wait, then enter the guest */
	HV_YIELD,  /* give up the CPU: preempted or halted; the run loop goes on later */
	/* A flag, alone or with HV_USER or HV_YIELD: move RIP behind the instruction first. */
	HV_SKIP = 0x40,
};

/* An exit in the flight recorder. */
struct vm_trace {
	uint64_t number; /* from 0 */
	uint64_t tsc;    /* the host's, at the exit */
	uint64_t rip;
	uint64_t qual;   /* the hardware's qualification; 0 if it gives none */
	uint64_t key;    /* port, MSR, CPUID leaf, gpa; VM_KEY_NONE for other kinds */
	uint64_t away;   /* ticks from the handler's end to the next entry, out of guest mode */
	uint32_t cycles; /* ticks in the handler */
	uint32_t raw;    /* the hardware's reason */
	uint32_t kind;   /* enum hv_exit_kind */
	uint32_t action; /* enum hv_action */
};

/*
 * Time outside of guest mode that is not charged to an exit: halted, paused or waiting after an
 * exit, and all time before the first exit.
 */
struct vm_span {
	uint64_t number;     /* from 0 */
	uint64_t exits;      /* number of exits before it */
	uint64_t tsc, ticks; /* the host's TSC at its beginning; its length */
	uint64_t state;      /* enum vm_time */
};

/*
 * A break is a change of a vCPU's control block that vcpu_break makes for one entry.  The hardware
 * has to refuse that entry, and the VM ends with VM_STOP_ENTRY_FAILED.  VM_BREAK_CHECK changes
 * nothing: from then on the explainer checks every entry, and the VM ends if an entry breaks a
 * rule.
 */
#define VM_BREAK_CHECK 0xffffffffu

struct vm_break_info {
	char name[24], field[32];
	uint64_t clear, set; /* bits of the field */
};

enum vm_state { VM_READY, VM_RUNNING, VM_HALTED, VM_PAUSED, VM_STOPPED };

/*
 * Requests to a VM's monitor, by a process that it descends from (vm_post).  The monitor's vcpu_run
 * returns VM_EXIT_EVENT, and vm_requests takes all requests that have come.
 *
 * A paused guest stands still with its clocks: its devices do not move, and vcpu_set_back lets its
 * TSC go on from where it was.  The guest cannot see that time has passed.  A reset, by the guest
 * or by request, sets the TSC to 0; the devices' time goes on.
 */
enum vm_request {
	VM_REQ_STOP = 1 << 0, /* end the VM */
	VM_REQ_PAUSE = 1 << 1,
	VM_REQ_RESUME = 1 << 2,
	VM_REQ_RESET = 1 << 3,
	VM_REQ_ATTACH = 1 << 4, /* the monitor owns the console now */
	VM_REQ_CLONE = 1 << 5,  /* copy the VM; the copy belongs to the monitor's parent */
	VM_REQ_ALL = (1 << 6) - 1
};

struct vm_info {
	uint32_t id;
	uint32_t owner; /* the monitor's process id */
	uint32_t state; /* enum vm_state */
	uint32_t vcpus;
	uint64_t ram;         /* bytes, as configured */
	uint64_t mapped;      /* bytes present in the nested page table */
	uint64_t table_pages; /* pages of the nested page table and of shadow tables */
	uint64_t overhead;    /* pages of the host's memory beyond ram, the monitor's included */
	uint64_t root;        /* hpa of the nested page table's root */
	uint64_t exits;
	uint64_t shared; /* bytes of its RAM in frames that others refer to, too */
	uint64_t ticks;  /* TSC ticks that its processes had a CPU, guest and monitor */
	uint64_t wall;   /* TSC ticks since its first vCPU was created */
	uint32_t clones; /* calls of vm_clone so far */
	int32_t cloned;  /* the last one's result: the clone's number, or -E_ */
	char name[VM_NAME_MAX];
};

/*
 * Hypercalls.  rax: number, rbx and rcx: arguments.  The result comes in rax; -E_NO_SYS: unknown
 * number.
 */
enum vm_hypercall {
	HC_VERSION = 1,
	HC_CONSOLE_WRITE, /* rbx: gva, rcx: bytes, at most VM_IO_BYTES -> 0, -E_INVAL or -E_FAULT */
	HC_COUNTERS,      /* -> rax: exits of this VM with this one, rbx: VMREADs, rcx: VMWRITEs */
	HC_YIELD,         /* lets others run first that want this CPU -> 0 */
};
#define NESTLING_HV_VERSION 1

/* The hypervisor's CPUID leaves. */
#define HV_CPUID_BASE       0x40000000u
#define HV_CPUID_SIGNATURE  "NestlingVMM " /* EBX, ECX, EDX of HV_CPUID_BASE */
#define HV_CPUID_LEAF_LAST  0x4fffffffu    /* statistics, see docs/leaves */
#define HV_CPUID_LEAF_FIRST 0x4ffffffcu

/*
 * What `caps` shows: raw words, which the program decodes by bit name.  On SVM msr[] also holds the
 * CPUID leaf CPUID_SVM: EDX in the low half, EBX in the high half.
 */
enum hv_vendor { HV_NONE, HV_VMX, HV_SVM };
enum { HV_CAPS_WORDS = 24, HV_CAPS_TEXT = 160 };
struct hv_caps {
	uint32_t vendor; /* enum hv_vendor */
	uint32_t usable; /* 1: VMs can run */
	/*
	 * 1: VMs can run with nested paging and in real mode.  0: VMs run with shadow paging, and a
	 * guest must have paging on from its first instruction to its last.
	 */
	uint32_t nested;
	char cpu[56];   /* brand string */
	uint32_t words; /* number of words in msr[] */
	struct {
		uint32_t msr;
		uint32_t pad;
		uint64_t value;
	} msr[HV_CAPS_WORDS];
	char refusal[HV_CAPS_TEXT]; /* !usable or !nested: one line that names the missing bit */
};

/* Return the name and the reason of a kind, and the name of an action (lib/exitname.c). */
const char *hv_exit_name(enum hv_exit_kind kind);
unsigned int hv_exit_reason(enum hv_exit_kind kind);
const char *hv_action_name(enum hv_action action);
/*
 * Returns the kind with an Intel basic exit reason, or HV_EXIT_KINDS if the SDM defines no such
 * reason.
 */
enum hv_exit_kind hv_exit_kind_of(uint32_t reason);

#endif
