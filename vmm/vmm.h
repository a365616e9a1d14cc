#ifndef NESTLING_VMM_VMM_H
#define NESTLING_VMM_VMM_H

#include "vmm/hv.h"
#include "vmm/ops.h"
#include "vmm/vcpu.h"

/*
 * The map of vmm/: what its files offer each other.  The kernel sees only vmm/hv.h.  An address is
 * named by its kind: gva, gpa, hva (in the monitor), hpa.
 */

/* An exit handler, named in inc/exits.def. */
typedef enum hv_action (*exit_handler_t)(struct vcpu *v, struct hv_exit *x);
extern const exit_handler_t exit_handlers[HV_EXIT_KINDS];
#define EXIT_KIND(kind, reason, name, handler) \
	enum hv_action exit_##handler(struct vcpu *v, struct hv_exit *x);
#include "inc/exits.def"
#undef EXIT_KIND

struct gmem_fault;

/* exit.c: v has halted with interrupts off.  Returns HV_STOP if no vCPU of the VM is left that
 * could wake another one by INIT, else HV_YIELD. */
enum hv_action halt_dead(struct vcpu *v);

/* load.c: which vCPU's state is on this CPU, see vmm/load.h. */

/* vtlb.c: what the TLBs know of guests. */
/* Bits of tlb.stale: translations of guest-physical addresses, and of linear ones (gva). */
enum { TLB_NESTED = 1, TLB_LINEAR = 2 };
#define TLB_UNKNOWN  UINT64_MAX   /* in tlb.flushed: not known to be flushed at any time */
#define TLB_CHANGING (1ull << 63) /* in a VM's tlb_gen: no vCPU may enter, see npt.c */
/* Sets v->tlb.flushed for this CPU, where v is being loaded; flushes if v ran elsewhere since. */
void vtlb_load(struct vcpu *v);
void vtlb_flush(struct vcpu *v); /* flushes all translations of v on this CPU */
/* Panics if v was loaded here without a flush that it needed, or if the back end owes one. */
void vtlb_check(const struct vcpu *v);
_Noreturn void vtlb_stale(const struct vcpu *v); /* panics, and says why v must not enter */

/* hostmem.c: zeroed pages of the hypervisor's own. */
void *host_page(void);                  /* returns NULL without memory */
void host_page_free(void *page);        /* page may be NULL */
int host_page_pair(void **a, void **b); /* allocates both, or none: -E_NO_MEM */

/* vms.c */
extern struct vm vms[VM_MAX]; /* those that are `used` */
/* Recalls the other CPUs that run a vCPU of the VM: they stay out of guest mode until the kernel
 * lock is released. */
void vm_hold(struct vm *vm);
/* Does an Env other than e run a vCPU of the VM, or is it about to? */
bool vm_others_run(const struct vm *vm, const struct env *e);
struct vm *vm_of(struct env *e, uint64_t id); /* NULL: no VM of e's monitor has this id */
struct vm *vm_by_id(uint64_t id);             /* NULL: no such VM, such as 0 */
struct vm *vm_at(unsigned int index);         /* index from 0 to VM_MAX - 1; NULL: none there */
struct vcpu *vcpu_of(struct env *e, uint64_t vm_id, uint64_t index); /* NULL: e does not drive it */

/* vm.c */
/* Creates a VM of e's monitor, without RAM and vCPUs.  -E_EXISTS: the address space has a VM
 * already; -E_NO_VM: there are VM_MAX; -E_NO_MEM. */
int vm_new(struct env *e, const struct vm_config *config, struct vm **out);
uint32_t vm_next_id(void);      /* id of the VM that vm_new() creates next */
void vm_discard(struct vm *vm); /* frees the VM and all that belongs to it */
/* Adds RAM, and reserves what its nested page tables can need.  -E_NO_MEM. */
int vm_add_slot(struct vm *vm, const struct vm_slot *slot);

/* slots.c: a VM's RAM, see vmm/slots.h. */

/* vcpu.c */
/* Creates the next vCPU of vm, in the state after a RESET.  e drives it and gets its run page at
 * run_va (hva).  Returns the vCPU's index; -E_NO_MEM, or why nothing can be mapped at run_va. */
int vcpu_new(struct vm *vm, struct env *e, uint64_t run_va);
void vcpu_delete(struct vcpu *v);
/* Calls fn with each page that the kernel keeps for the vCPU; fn must accept NULL. */
void vcpu_pages(const struct vcpu *v, void (*fn)(const void *page));

/* Brings v to the state after a RESET (SDM vol. 3, "Processor State After Reset").  vCPU 0's TSC
 * becomes 0; the others get vCPU 0's TSC.  Leaves v current.  Errors as of hv->set_regs(). */
int vcpu_reset(struct vcpu *v);
/* Sets the registers that hv->set_regs() does not set.  v, which is current, forgets its pending
 * events and answers. */
void vcpu_take_regs(struct vcpu *v, const struct vm_regs *regs);

/* regs.c: registers and segments, see vmm/regs.h. */

/* stop.c */
/* Ends the VM for an access outside RAM that cannot be made: VM_EXIT_MEM. */
enum hv_action vcpu_no_memory(struct vcpu *v, uint64_t gpa, uint32_t access, enum vm_mem_why why);
/* Stops the vCPU: gpa is RAM, but the monitor has no memory behind it. */
enum hv_action vcpu_no_frame(struct vcpu *v, uint64_t gpa, uint32_t access);
/* Stops the vCPU: VM_EXIT_STOP, with run->text (one line, no newline), rip and code bytes. */
enum hv_action vcpu_stop(struct vcpu *v, enum vm_stop why, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void vcpu_where(struct vcpu *v); /* fills in run->rip, cs_base, insn[], insn_len */

/* explain.c: the rules of VM entries.  The findings of the checkers are in vmm/debug.h. */
/* Stops the VM and says why its entry was refused.  x: NULL if no exit came. */
enum hv_action entry_failed(struct vcpu *v, const struct hv_exit *x);
/* Called before an entry when v->breaking.state is not BREAK_NONE: checks or breaks the entry. */
enum hv_action debug_prepare(struct vcpu *v);

/* acct/overhead.c: returns the pages of host memory that the VM takes beyond its RAM. */
uint64_t vm_overhead(const struct vm *vm);

/* state.c: guest registers that neither VMX nor SVM switches at an entry. */
int state_init(struct vcpu *v);   /* allocates the FPU area; -E_NO_MEM */
void state_reset(struct vcpu *v); /* resets the FPU area; v is off all CPUs */
void state_copy(struct vcpu *to, const struct vcpu *from); /* copies the FPU area */
void state_load(struct vcpu *v);                           /* from memory to this CPU */
void state_save(struct vcpu *v);                           /* from this CPU to memory */
void state_load_dr(const struct vcpu *v);                  /* DR0 to DR3, to this CPU */
uint64_t state_xcr0_allowed(void); /* the bits that guests may set in XCR0 */

/* inject.c: events for the next entry. */
void inject_exception(struct vcpu *v, unsigned int vector); /* without error code */
void inject_exception_error(struct vcpu *v, unsigned int vector, uint32_t error);
void inject_page_fault(struct vcpu *v, uint64_t gva, uint32_t error); /* sets CR2, too */
void inject_event(struct vcpu *v, struct hv_event ev);
/* Remembers an interrupt that was taken from the PIC, until the guest can take it. */
void inject_hold_irq(struct vcpu *v, uint8_t vector);
/* Called before an entry: hands the pending event to the back end.  Returns true if the monitor has
 * an interrupt and the guest can take it now: the monitor must run first. */
bool inject_pending(struct vcpu *v);
/* Ends an exit whose handler could not access guest memory: injects the fault that the guest's
 * tables cause, or ends the VM if there is no RAM. */
enum hv_action inject_fault(struct vcpu *v, const struct gmem_fault *f, uint32_t access);

/* npt.c: the nested page table of a VM. */
enum npt_result {
	NPT_MAPPED,
	NPT_NO_RAM, /* gpa is not in a slot */
	NPT_ERROR,  /* the monitor has no memory behind gpa */
};
/* Sets aside the table pages that [gpa, gpa + size) can need.  -E_NO_MEM. */
int npt_promise(struct vm *vm, uint64_t gpa, uint64_t size);
uint64_t vm_table_pages(const struct vm *vm); /* pages of the nested and the shadow tables */
/* Returns the pages that must be set aside now: those that the slots can need and npt lacks. */
uint64_t npt_promise_left(const struct vm *vm);
void npt_free(struct vm *vm);
/* Maps the page around gpa for an access (VM_ACCESS_).  Called without the kernel lock. */
enum npt_result npt_fault(struct vm *vm, uint64_t gpa, uint32_t access);
/* The watcher of the monitor's memory: see struct aspace_watcher. */
void npt_narrow(struct aspace_watcher *w, uint64_t hva, uint64_t size);
void npt_protect(struct aspace_watcher *w);

/* gmem.c: guest memory, see vmm/gmem.h; fetch.c: instructions in it, see vmm/fetch.h. */

/* mmio.c */
/* Hands the access outside RAM that caused exit x to the monitor.  With shadow paging, the caller
 * knows that the instruction at RIP made the access. */
enum hv_action mmio_access(struct vcpu *v, struct hv_exit *x);
/* Goes on after the monitor has made the access.  Returns HV_SKIP when the instruction ends, or
 * HV_USER when it makes another access. */
enum hv_action mmio_complete(struct vcpu *v);

/* io.c */
/* Gives the guest the answer of the monitor that v->pending.answer names.  Returns HV_RESUME;
 * HV_SKIP for an instruction that ends only now; or HV_USER when the monitor must make one more
 * access. */
enum hv_action io_complete(struct vcpu *v);

/* cpuid.c */
void cpuid_init(void); /* boot: makes the answers that guests get */
/* The answers of basic leaves that depend on nothing but the leaf; NULL for other leaves. */
enum { CPUID_FIXED_LEAVES = 0xe };
extern const struct cpuid_regs *cpuid_fixed[CPUID_FIXED_LEAVES];
/* Returns the guest's answer.  v may be NULL if the answer does not depend on the vCPU. */
struct cpuid_regs cpuid_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf);
bool cpuid_has_nx(void);            /* do guests have EFER.NXE? */
unsigned int cpuid_phys_bits(void); /* bits of a guest-physical address */

/* acct/leaves.c: what the guest reads in a statistics leaf, by the VM's profile (docs/leaves.md).
 */
struct cpuid_regs leaves_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf);

/* msr.c */
/* Calls fn for each MSR that the guest accesses without an exit. */
void msr_for_each_direct(void (*fn)(void *arg, uint32_t msr), void *arg);
/* Are all eight bytes of the value memory types (SDM vol. 3, "IA32_PAT MSR")? */
bool msr_is_pat(uint64_t value);

/* cr.c */
/* Write a register as the guest's own instruction would.  -E_INVAL: the instruction gets #GP. */
int cr0_write(struct vcpu *v, uint64_t value);
int cr3_write(struct vcpu *v, uint64_t value); /* MOV to CR3 exits with shadow paging only */
int cr4_write(struct vcpu *v, uint64_t value);
int efer_write(struct vcpu *v, uint64_t value);
uint64_t cr4_allowed(void); /* the bits that guests may set in CR4 */
/* The four top entries of PAE paging (SDM vol. 3, "PDPTE Registers"). */
enum { PDPTES = 4 };
#define CR0_LOADS_PDPTES (CR0_PG | CR0_CD | CR0_NW) /* a MOV to CR0 that changes one loads them */
bool pdptes_used(uint64_t cr0, uint64_t cr4, uint64_t efer); /* does this paging mode have them? */
/* Reads the entries that cr3 points to; outside RAM they are zeros.  Returns false if the processor
 * would refuse them. */
bool pdptes_read(struct vcpu *v, uint64_t cr3, uint64_t pdpte[PDPTES]);
/* Can this CPU run a guest with that CR0?  Without nested paging, protection and paging must be on.
 */
bool cr0_can_run(uint64_t cr0);

/* dump.c: control blocks as text.  Called with the kernel lock. */
enum { VM_DUMP_TEXT = 8192 };
extern char hv_dump_text[VM_DUMP_TEXT];
void dump_start(void);          /* empties the text */
void dump_vcpu(struct vcpu *v); /* appends v's control block */

/* acct/stats.c: what accounts say; the accounts of the VMs that ended last are kept. */
void stats_init(void);                          /* boot: allocates room for accounts of ended VMs */
void stats_pages(void (*fn)(const void *page)); /* calls fn with each page of kept accounts */
void stats_keep(struct vm *vm);                 /* takes the accounts of a VM that ends */

#endif
