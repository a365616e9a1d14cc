#ifndef NESTLING_VMM_HV_H
#define NESTLING_VMM_HV_H

#include <stdbool.h>
#include <stdint.h>

#include "inc/audit.h"
#include "inc/vm.h"
#include "kern/audit/audit.h"

/*
 * What the kernel sees of the hypervisor: declarations only.  The structures are in vmm/vcpu.h,
 * the table of a back end is in vmm/ops.h, and vmm/vmm.h is the map of the directory.
 */

struct env;
struct vcpu;

/* What the CPU can do, and why the hypervisor refuses it if it does. */
extern struct hv_caps hv_caps;
/* Returns "VMX" or "SVM"; NULL when no back end is on: hv_caps.refusal says why. */
const char *hv_name(void);

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
/* Returns the number of the VM that v belongs to. */
uint32_t vcpu_vm_id(const struct vcpu *v);
unsigned int vm_count(void);
/* A vCPU as kern/switchlog.c shows it. */
struct vcpu_view {
	uint32_t vm;
	const char *name;     /* of the VM */
	uint64_t root, block; /* hpa of the nested page table's root, and of the control block */
	uint64_t exits;       /* so far */
	uint64_t exit_tsc;    /* TSC at the last exit; valid when exits is not 0 */
	const char *load_text, *put_text; /* how the CPU takes the control block, and gives it up */
};
void vcpu_look(const struct vcpu *v, struct vcpu_view *view);
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
int64_t vm_break_info(struct env *e, uint64_t index, uint64_t info_va);
int64_t vcpu_break(struct env *e, uint64_t id, uint64_t vcpu, uint64_t number);

#endif
