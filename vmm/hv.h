#ifndef NESTLING_VMM_HV_H
#define NESTLING_VMM_HV_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/audit.h"
#include "inc/vm.h"
#include "kern/audit/audit.h"

/*
 * The hypervisor as the kernel sees it: declarations only.  The structures are in vmm/vcpu.h,
 * the table of a back end is in vmm/ops.h, and vmm/vmm.h is the map of the directory.
 */

struct env;
struct vcpu;

/* The CPU's capabilities.  If the hypervisor cannot use the CPU, refusal says why. */
extern struct hv_caps hv_caps;
/* Returns "VMX" or "SVM", or NULL if no back end is on; hv_caps.refusal then says why. */
const char *hv_name(void);

/* Boot: probes both back ends and switches one on. */
void hv_init(void);
/* Boot of another CPU: switches the back end on there, if the boot CPU has one on.  Returns
 * -E_NO_HV if this CPU cannot do what the boot CPU can, or -E_NO_MEM. */
int hv_cpu_on(void);
/*
 * Runs the guest of e's vCPU until the monitor is needed; returns vcpu_run's result then.  If the
 * Env must give up the CPU, returns VCPU_YIELDS with the kernel lock held: the caller then calls
 * sched_yield().  Called without the lock.
 */
enum { VCPU_YIELDS = 1 };
int64_t vcpu_loop(struct env *e);
/* Takes the guest state that is on this CPU, if any, off it.  env_run() calls this before it runs
 * an Env with another vCPU or none. */
void hv_switch_out(void);
/* Frees the VM of e, if it has one: e ends. */
void vm_env_exit(struct env *e);
/* Makes v's present or next vcpu_run return VM_EXIT_EVENT.  Wakes v's Env from HLT or a pause. */
void vcpu_kick(struct vcpu *v);
/* Takes v's state off the CPU that has it: v's Env moves to another CPU, or ends.  v must not be
 * running on another CPU. */
void vcpu_unload(struct vcpu *v);
/* Tells v that its CPU is being recalled by an NMI, so that v heeds that before the next entry. */
void vcpu_recalled(struct vcpu *v);
/* Makes v return to its monitor with VM_EXIT_EVENT: the deadline of v's Env has passed. */
void vcpu_is_due(struct vcpu *v);
/* Tells the accounts of v that its Env waits for a CPU, or that it has got one. */
void vcpu_waits(struct vcpu *v);
void vcpu_has_cpu(struct vcpu *v);
/* Returns the id of the VM that v belongs to. */
uint32_t vcpu_vm_id(const struct vcpu *v);
unsigned int vm_count(void); /* how many VMs there are */
/* A vCPU as kern/switchlog.c shows it. */
struct vcpu_view {
	uint32_t vm;          /* id of the VM */
	const char *name;     /* of the VM */
	uint64_t root, block; /* hpa of the nested page table's root and of the control block */
	uint64_t exits;       /* so far */
	uint64_t exit_tsc;    /* TSC of the host at the last exit; valid when exits is not 0 */
	const char *load_text, *put_text; /* how the CPU takes and gives up the control block */
};
void vcpu_look(const struct vcpu *v, struct vcpu_view *view);
/* Returns the control blocks of a VM (id 0: of all VMs) as text, which stays until the next dump.
 * NULL: no such VM. */
const char *vm_dump(uint64_t id);

/* The hypervisor's part of an audit: one pass over its pages and tables (kern/audit/audit.h). */
void hv_audit(enum audit_pass pass);
/* Plants a violation in e's VM.  -E_BAD_VM: e drives no vCPU; -E_NOT_FOUND, -E_NO_SHADOW: the VM
 * has nothing to plant it in; -E_INVAL: not a rule about guests. */
int hv_audit_plant(struct env *e, enum audit_rule rule);

/* System calls (inc/syscall.h).  They run with the kernel lock, except vcpu_run(). */
int64_t vm_create(struct env *e, uint64_t config_va);
int64_t vm_destroy(struct env *e, uint64_t id);
int64_t vm_map(struct env *e, uint64_t id, uint64_t gpa, uint64_t hva, uint64_t size);
int64_t vm_clone(struct env *e, uint64_t id, uint64_t new_id_va, bool sibling);
int64_t vcpu_create(struct env *e, uint64_t id, uint64_t run_va);
/* Called without the kernel lock: most runs do not need it.  May return VCPU_YIELDS, as vcpu_loop()
 * does. */
int64_t vcpu_run(struct env *e, uint64_t id, uint64_t vcpu);
int64_t vcpu_get_regs(struct env *e, uint64_t id, uint64_t vcpu, uint64_t regs_va);
int64_t vcpu_set_regs(struct env *e, uint64_t id, uint64_t vcpu, uint64_t regs_va);
int64_t vcpu_set_back(struct env *e, uint64_t id, uint64_t vcpu, uint64_t ticks);
/* Kick and reset a vCPU of the caller's own VM. */
int64_t vcpu_kick_own(struct env *e, uint64_t id, uint64_t vcpu);
int64_t vcpu_reset_own(struct env *e, uint64_t id, uint64_t vcpu);
/* Takes a kick.  -E_AGAIN: there was none, and the caller must wait; the time until then is
 * accounted as `as`, VM_TIME_HALTED or VM_TIME_PAUSED. */
int64_t vcpu_wait(struct env *e, uint64_t id, uint64_t vcpu, uint64_t as);
int64_t vm_post(struct env *e, uint64_t id, uint64_t requests);
/* Returns and clears the VM's requests.  With `wait`, also takes a kick; -E_AGAIN: there is
 * neither, and the caller must wait. */
int64_t vm_requests(struct env *e, uint64_t id, bool wait);
int64_t vm_info(struct env *e, uint64_t index, uint64_t info_va);
/* In these, vcpu is an index or VM_ALL_VCPUS; vm_trace() and vm_span() take an index only. */
int64_t vm_stats(struct env *e, uint64_t id, uint64_t vcpu, uint64_t stats_va);
int64_t vm_mark(struct env *e, uint64_t id, uint64_t now_va, uint64_t before_va);
int64_t vm_histogram(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t buckets_va);
int64_t vm_keys(struct env *e, uint64_t id, uint64_t vcpu, uint64_t kind, uint64_t keys_va);
int64_t vm_trace(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t trace_va);
int64_t vm_span(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number, uint64_t span_va);
int64_t hv_get_caps(struct env *e, uint64_t caps_va);
int64_t vm_break_info(struct env *e, uint64_t index, uint64_t info_va);
int64_t vcpu_break(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number);

#endif
