#ifndef NESTLING_VMM_VMM_H
#define NESTLING_VMM_VMM_H

#include "vmm/hv.h"
#include "vmm/ops.h"
#include "vmm/vcpu.h"

/* Between the files of vmm/: nothing here is seen by the kernel. */

/* An exit handler, named in inc/exits.def. */
typedef enum hv_action (*exit_handler_t)(struct vcpu *v, struct hv_exit *x);
extern const exit_handler_t exit_handlers[HV_EXIT_KINDS];
#define EXIT_KIND(kind, reason, name, handler) \
	enum hv_action exit_##handler(struct vcpu *v, struct hv_exit *x);
#include "inc/exits.def"
#undef EXIT_KIND

struct gmem_fault;

/* exit.c: v halts with interrupts off, and if all of its VM do that VM stops; else HV_YIELD. */
enum hv_action halt_dead(struct vcpu *v);

/* load.c: which vCPU's state is on this CPU, see vmm/load.h. */

/* vtlb.c: what the TLBs know of guests. */
enum { TLB_NESTED = 1, TLB_LINEAR = 2 }; /* of guest-physical addresses; and of linear ones */
#define TLB_UNKNOWN  UINT64_MAX
#define TLB_CHANGING (1ull << 63) /* in a VM's tlb_gen: no vCPU enters, see npt.c */
void vtlb_load(
        struct vcpu *v); /* v has come to this CPU: sets v->tlb.flushed, after a flush if need be */
void vtlb_flush(struct vcpu *v); /* this CPU's translations of v go */
/* Panics if the back end has forgotten a flush that is its own, or v came here without one. */
void vtlb_check(const struct vcpu *v);
_Noreturn void vtlb_stale(const struct vcpu *v); /* panics: v must not enter, and why */

/* hostmem.c: zeroed pages of the hypervisor's own. */
void *host_page(void);                  /* NULL without memory */
void host_page_free(void *page);        /* NULL: nothing */
int host_page_pair(void **a, void **b); /* both or -E_NO_MEM */

/* vm.c */
/* No other CPU runs a vCPU of the VM in guest mode, until the kernel lock is released. */
void vm_hold(struct vm *vm);
/* Does another Env than e run a vCPU of it, or is about to? */
bool vm_others_run(const struct vm *vm, const struct env *e);
struct vm *vm_of(struct env *e, uint64_t id); /* NULL: no such VM, or not e's */
/* A VM of e's, without RAM and vCPUs.  -E_EXISTS: its address space has one; -E_NO_VM, -E_NO_MEM.
 */
int vm_new(struct env *e, const struct vm_config *config, struct vm **out);
uint32_t vm_next_id(void);      /* of the next one */
void vm_discard(struct vm *vm); /* frees it, as if it had never been */
/* Adds RAM, and reserves what its nested page tables can need.  -E_NO_MEM. */
int vm_add_slot(struct vm *vm, const struct vm_slot *slot);
struct vm *vm_at(unsigned int index); /* from 0 to VM_MAX - 1; NULL: none there */

/* slots.c */
/* Adds a slot; there is room for it, and it overlaps no other. */
void vm_slot_append(struct vm *vm, const struct vm_slot *slot);
bool vm_slot_overlaps(const struct vm *vm, uint64_t gpa, uint64_t size);
/* Returns the slot that holds gpa; NULL: gpa is not RAM. */
const struct vm_slot *vm_slot_find(const struct vm *vm, uint64_t gpa);
/* Does the slot hold all of the 2 MiB around gpa, with gpa and hva aligned alike? */
bool vm_slot_large(const struct vm_slot *slot, uint64_t gpa);

/* vcpu.c */
/* The next vCPU of vm, in its state after a reset, driven by e, whose run page is at run_va: its
 * number; -E_NO_MEM, or why that is no place for it. */
int vcpu_new(struct vm *vm, struct env *e, uint64_t run_va);
void vcpu_delete(struct vcpu *v);
/* Calls fn for each page that the kernel keeps for the vCPU; NULL stands for none. */
void vcpu_pages(const struct vcpu *v, void (*fn)(const void *page));

/* As after a RESET, with the TSC at 0: vCPU 0's, which the others' follow.  -E_ as set_regs. */
int vcpu_reset(struct vcpu *v);
/* What of them is not the back end's.  v, which is current, forgets what it was about to do. */
void vcpu_take_regs(struct vcpu *v, const struct vm_regs *regs);

/* vcpusys.c */
struct vcpu *vcpu_of(struct env *e, uint64_t vm_id, uint64_t index); /* NULL: not e's */

/* regs.c: registers, see vmm/regs.h. */

/* segment.c, for what is not in 64-bit mode */
/* May it be written, or read?  In protected mode its type says so. */
bool segment_permits(struct vcpu *v, const struct vm_segment *seg, bool write);
/* Is it usable, and are these offsets within its limit? */
bool segment_holds(const struct vm_segment *seg, uint64_t first, uint64_t bytes);

/* stop.c */
/* An access outside RAM that ends the VM: VM_EXIT_MEM. */
enum hv_action vcpu_no_memory(struct vcpu *v, uint64_t gpa, uint32_t access, enum vm_mem_why why);
/* The monitor has no memory where its slot of RAM is. */
enum hv_action vcpu_no_frame(struct vcpu *v, uint64_t gpa, uint32_t access);
/* Fills run->text (a line, no newline), rip and code bytes for VM_EXIT_STOP. */
enum hv_action vcpu_stop(struct vcpu *v, enum vm_stop why, const char *fmt, ...)
        __attribute__((format(printf, 3, 4)));
void vcpu_where(struct vcpu *v); /* run->rip, cs_base, insn[] */

/* explain.c: the rules of VM entries.  What checkers find is in vmm/debug.h. */
/* Stops the VM and says why its entry was refused.  x: NULL if no exit came. */
enum hv_action entry_failed(struct vcpu *v, const struct hv_exit *x);
/* Called before an entry when v->breaking.state is not BREAK_NONE: checks or breaks the entry. */
enum hv_action debug_prepare(struct vcpu *v);

/* acct/overhead.c: pages of the host's memory that the VM takes beyond its RAM, in all. */
uint64_t vm_overhead(const struct vm *vm);

/* state.c: guest registers that neither VMX nor SVM switches at an entry. */
int state_init(struct vcpu *v);                            /* FPU area; -E_NO_MEM */
void state_reset(struct vcpu *v);                          /* in memory: it is off its CPU */
void state_copy(struct vcpu *to, const struct vcpu *from); /* FPU area */
void state_load(struct vcpu *v);
void state_save(struct vcpu *v);
void state_load_dr(const struct vcpu *v); /* DR0 to DR3 */
uint64_t state_xcr0_allowed(void);

/* inject.c */
void inject_exception(struct vcpu *v, unsigned int vector); /* without error code */
void inject_exception_error(struct vcpu *v, unsigned int vector, uint32_t error);
void inject_page_fault(struct vcpu *v, uint64_t gva, uint32_t error);
void inject_event(struct vcpu *v, struct hv_event ev);
/* Remembers an interrupt that was taken from the PIC, until the guest can take it. */
void inject_hold_irq(struct vcpu *v, uint8_t vector);
/* Before an entry: makes ready what waits.  True: the monitor must first give its interrupt. */
bool inject_pending(struct vcpu *v);

/* npt.c: the nested page table of a VM. */
enum npt_result { NPT_MAPPED, NPT_NO_RAM, NPT_ERROR };
/* Sets aside the table pages that the range can need; -E_NO_MEM. */
int npt_promise(struct vm *vm, uint64_t gpa, uint64_t size);
uint64_t vm_table_pages(const struct vm *vm);   /* nested and shadow */
uint64_t npt_promise_left(const struct vm *vm); /* pages, by its RAM and its tables */
void npt_free(struct vm *vm);
enum npt_result npt_fault(struct vm *vm, uint64_t gpa, uint32_t access);
void npt_narrow(struct aspace_watcher *w, uint64_t hva, uint64_t size);
void npt_protect(struct aspace_watcher *w);

/* gmem.c: guest memory, see vmm/gmem.h; fetch.c: instructions in it, see vmm/fetch.h. */

/* mmio.c: an access outside RAM goes to the monitor; with shadow paging, one by an instruction; */
enum hv_action mmio_access(struct vcpu *v, struct hv_exit *x);
/* it has been made: HV_SKIP, or HV_USER when the instruction makes another one. */
enum hv_action mmio_complete(struct vcpu *v);

/* io.c */
/* Gives the guest the answer of the monitor that v->pending.answer names.  HV_RESUME, HV_SKIP for
 * an instruction that ends only now, or HV_USER: the monitor must make one more access. */
enum hv_action io_complete(struct vcpu *v);
/* A guest access that failed: the guest's own fault, or memory that is not there. */
enum hv_action io_fault(struct vcpu *v, const struct gmem_fault *f, uint32_t access);

/* cpuid.c */
void cpuid_init(void); /* what guests are shown, from this CPU and the policy table */
/* Basic leaves whose answer depends on nothing else; NULL for the others. */
enum { CPUID_FIXED_LEAVES = 0xe };
extern const struct cpuid_regs *cpuid_fixed[CPUID_FIXED_LEAVES];
struct cpuid_regs cpuid_guest(struct vcpu *v, uint32_t leaf, uint32_t subleaf);
bool cpuid_has_nx(void);
unsigned int cpuid_phys_bits(void);

/* acct/leaves.c: statistics leaves (profiles v1, v2, v3). */
struct cpuid_regs leaves_read(struct vcpu *v, uint32_t leaf, uint32_t subleaf);

/* msr.c */
/* Calls fn for each MSR that the guest may access directly (its value is switched with the vCPU).
 */
void msr_for_each_direct(void (*fn)(void *arg, uint32_t msr), void *arg);
/* A value of IA32_PAT holds eight memory types and nothing else (SDM vol. 3, "IA32_PAT MSR"). */
bool msr_is_pat(uint64_t value);

/* cr.c */
int cr0_write(struct vcpu *v, uint64_t value); /* -E_INVAL: #GP */
/* The four top entries of PAE paging: has this mode them? */
enum { PDPTES = 4 };
#define CR0_LOADS_PDPTES (CR0_PG | CR0_CD | CR0_NW) /* a MOV to CR0 that changes one of them */
bool pdptes_used(uint64_t cr0, uint64_t cr4, uint64_t efer);
/* Reads those that CR3 leads to, zeros outside RAM; false if the processor would not take them. */
bool pdptes_read(struct vcpu *v, uint64_t cr3, uint64_t pdpte[PDPTES]);
/* Without nested paging there is neither real mode nor protected mode without paging. */
bool cr0_can_run(uint64_t cr0);
int cr3_write(struct vcpu *v, uint64_t value); /* exits with shadow paging only */
int cr4_write(struct vcpu *v, uint64_t value);
int efer_write(struct vcpu *v, uint64_t value);
uint64_t cr4_allowed(void);

/* dump.c: control blocks as text, until the next dump_start().  With the kernel lock. */
enum { VM_DUMP_TEXT = 8192 };
extern char hv_dump_text[VM_DUMP_TEXT];
void dump_start(void);
void dump_vcpu(struct vcpu *v);

/* acct/stats.c */
struct vm *vm_by_id(uint64_t id); /* NULL: none; 0 is none */
void stats_init(void);
void stats_pages(void (*fn)(const void *page)); /* of accounts that are kept */
void stats_keep(struct vm *vm);                 /* it ends: its accounts are no longer its own */

#endif
